"""Resolves the section `rewrite` of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.recipe.rewrite_sections import REWRITE_RULES, Rewrite

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target


def read_rewrite(section: Section, targets: Sequence[Target]) -> Rewrite:
    """The section `rewrite`."""
    names = section.alternatives("rules")
    for name in ("all", "none"):
        if name in names and len(names) > 1:
            section.report("rules", f"{name} with other names", f"{name} alone, or names of rules")
            return Rewrite()
    if names and names != ("none",) and targets and all(target.npu == "none" for target in targets):
        section.report("rules", "rules without an NPU", "a target with one", "they change what the NPU computes")
    rules = REWRITE_RULES if names == ("all",) else [rule for rule in REWRITE_RULES if rule in names]
    return Rewrite(tuple(rules))
