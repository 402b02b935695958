"""Step sweep: the variants of a recipe next to each other: build/<recipe>/sweep.json and sweep.csv."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.recipe.variant_files import figures_of_variants
from etbuild.report.sweep import csv_text, limits, sweep
from etbuild.steps.options import option, parse, plan

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options. doit adds --fit if the user gives it."""

    recipe: str = option("its name")
    folder: Path = option("build/<recipe>; sweep.json and sweep.csv go there")
    variant: tuple[str, ...] = option("a folder in it with manifest.json", ())
    fit: str = option("what a variant may take at most: SRAM=2M,FLASH=4M", "")


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name
    inputs = figures_of_variants(recipe)
    variants = tuple(target.variant for target in recipe.targets)
    options = Options(recipe=recipe.name, folder=folder, variant=variants)
    outputs = folder / "sweep.json", folder / "sweep.csv"
    return plan(f"sweep:{recipe.name}", options, (), inputs=inputs, outputs=outputs)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.sweep", __doc__)
    found = sweep(options.recipe, options.folder, options.variant, limits(options.fit))
    (options.folder / "sweep.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.folder / "sweep.csv").write_text(csv_text(found["variants"]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
