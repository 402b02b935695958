"""Step report: the figures of all outputs of a recipe, as build/<recipe>/report.json and as a page, report.html;
in report/ in the formats of other tools.

Equal builds have equal pages: what differs from run to run (times of steps, what came from a cache) is not in them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.recipe.method_files import golden_file
from etbuild.report.formats import write_formats
from etbuild.report.page.recipe_page import recipe_page
from etbuild.report.report import OF_PROFILE, Shown, report
from etbuild.steps.options import option, parse, plan, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    recipe: str = option("its name")
    folder: Path = option("build/<recipe>")
    profile: tuple[str, ...] = option("a folder in it with golden.json and so on", ())
    variant: tuple[str, ...] = option("NAME=PROFILE, a folder in it with manifest.json", ())
    layers: bool = option("layers.json of each variant is a part of the report", False)
    evaluation: bool = option("evaluate.json of each variant is a part of the report", False)
    sensitivity: bool = option("sensitivity.json of each variant with an NPU is a part of the report", False)
    output: Path = writes("report.json, to be written")
    page: Path = writes("report.html, to be written")
    formats: Path = writes("folder for the formats of other tools: SARIF, JUnit, MLIA, Model Explorer")


def step(recipe: Recipe) -> Step:
    folder = Path("build") / recipe.name
    inputs: list[Path] = []
    for profile in recipe.profiles:
        inputs += [*(folder / profile / name for name in OF_PROFILE), golden_file(recipe, profile)]
        inputs.append(folder / profile / "operators.json")
    for target in recipe.targets:
        names = {
            "manifest.json": True,
            "model.pte": True,
            "vela.json": target.npu != "none",
            "vela": target.npu != "none",
            "sizes.json": recipe.runtime is not None,
            "firmware.map": recipe.runtime is not None,
            "run.json": recipe.run.on != "none",
            "layers.json": recipe.report.layers,
            "evaluate.json": recipe.report.evaluate,
            "sensitivity.json": recipe.report.sensitivity and target.npu != "none",
        }
        inputs += [folder / target.variant / name for name, is_made in names.items() if is_made]
    variants = tuple(f"{target.variant}={target.profile}" for target in recipe.targets)
    options = Options(
        recipe=recipe.name,
        folder=folder,
        profile=recipe.profiles,
        variant=variants,
        layers=recipe.report.layers,
        evaluation=recipe.report.evaluate,
        sensitivity=recipe.report.sensitivity,
        output=folder / "report.json",
        page=folder / "report.html",
        formats=folder / "report",
    )
    return plan(f"report:{recipe.name}", options, ("jinja2", "numpy"), inputs=inputs)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.report", __doc__)
    pairs = (text.rpartition("=") for text in options.variant)
    profiles = {name: profile for name, _, profile in pairs}
    shown = Shown(options.layers, options.evaluation, options.sensitivity)
    found = report(options.recipe, options.folder, options.profile, profiles, shown)
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_formats(found, options.formats)
    text = recipe_page(found, options.folder)
    options.page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
