"""Resolves the section `report` of a recipe. It reads no report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.config.setting import read
from etbuild.recipe.output_sections import Report

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.hardware.target import Target
    from etbuild.recipe.model_sections import Model


def read_report(root: Section, model: Model, targets: Sequence[Target]) -> Report:
    """The section `report`; what it shows must be there for the model and a target."""
    section = root.section("report")
    found = read(section, Report)
    if found.sensitivity and model.methods:
        section.report("sensitivity", "true with model.methods", "a model with one method", "doit layers has them all")
    if found.sensitivity and all(target.npu == "none" for target in targets):
        remedy = "it is about what an NPU computes"
        section.report("sensitivity", "true without a target with an NPU", "one with an NPU", remedy)
    return found
