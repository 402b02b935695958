"""Step header: a .pte for C and C++: model.h, which declares it, describes it and may define it, and model.S, which
includes it. It compiles neither."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import exit_code_of
from etbuild.firmware.c_header import assembly_text, check_settings, header_text, read_model
from etbuild.recipe.output_sections import Header
from etbuild.steps.options import inline, parse, plan, reads, writes

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    pte: Path = reads("model.pte")
    manifest: Path = reads("manifest.json of that model.pte")
    settings: Header = inline()
    header: Path = writes("model.h, to be written")
    assembly: Path = writes("model.S, to be written")


def step(recipe: Recipe, target: Target) -> Step:
    folder = Path("build") / recipe.name / target.variant
    model = {"pte": folder / "model.pte", "manifest": folder / "manifest.json"}
    written = {"header": folder / "model.h", "assembly": folder / "model.S"}
    options = Options(**model, settings=recipe.header, **written)
    return plan(f"header:{recipe.name}@{target.variant}", options, ())


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.header", __doc__)
    check_settings(options.settings)
    model = read_model(options.pte, options.manifest)
    options.header.write_text(header_text(model, options.settings), encoding="ascii")
    options.assembly.write_text(assembly_text(model, options.settings), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
