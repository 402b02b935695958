"""Where the files of a model are that are a folder with one a method, where it has several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def exported_file(recipe: Recipe) -> Path:
    """What step export writes."""
    return _named(recipe, Path("build") / recipe.name / "export" / "exported.pt2")


def quantized_file(recipe: Recipe, profile: str) -> Path:
    """What step quantize writes."""
    return _named(recipe, Path("build") / recipe.name / profile / "quantized.pt2")


def golden_file(recipe: Recipe, profile: str) -> Path:
    """The vectors of step golden."""
    return _named(recipe, Path("build") / recipe.name / profile / "golden.npz")


def _named(recipe: Recipe, file: Path) -> Path:
    return file.with_suffix("") if recipe.model.methods else file
