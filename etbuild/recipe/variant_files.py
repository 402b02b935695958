"""The files with the figures of a recipe's variants, which steps that compare variants read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def figures_of_variants(recipe: Recipe) -> list[Path]:
    """manifest.json of each variant, and vela.json of those with an NPU."""
    found = []
    for target in recipe.targets:
        names = ("manifest.json", "vela.json") if target.npu != "none" else ("manifest.json",)
        found += [Path("build") / recipe.name / target.variant / name for name in names]
    return found
