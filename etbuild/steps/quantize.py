"""Step quantize: the quantised program of one profile, build/<recipe>/<profile>/quantized.pt2. It lowers nothing.

With passes of the recipe also quantize_deps.json: what their code read.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import exit_code_of
from etbuild.recipe.data_sections import Calibration, Quantize
from etbuild.recipe.model_sections import Export
from etbuild.recipe.program_sections import POINTS_OF_QUANTIZE, Pass
from etbuild.steps.options import inline, option, parse, plan, reads, writes
from etbuild.system.provenance import digests

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    program: Path = reads("exported.pt2")
    profile: str = option("tosa-u55, tosa-u85, either with -cortex-m, cpu, or cortex-m-scalar, -dsp or -mve")
    quantize: Quantize = inline()
    export: Export = inline()
    operators: tuple[Path, ...] = reads("files that register operators of the user: .py or .so", ())
    passes: tuple[Pass, ...] = option("at:source:entry of a pass at aten or quantized", (), option="--pass")
    output: Path = writes("quantized.pt2")
    report: Path = writes("quantization.json")
    depfile: Path | None = writes("quantize_deps.json: the files that operators and passes read", None)


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    program = Path("build") / recipe.name / "export" / "exported.pt2"
    # Only what changes this step's output: another `io: int8` must not run it again.
    settings = replace(recipe.quantize, io="uint8" if recipe.quantize.io == "uint8" else "float32")
    if settings.scheme == "none":
        settings = replace(settings, per_channel=True, calibration=Calibration())
    passes = tuple(one for one in recipe.passes if one.at in POINTS_OF_QUANTIZE)
    options = Options(
        program=program,
        profile=profile,
        quantize=settings,
        export=recipe.export,
        operators=recipe.operator_files,
        passes=passes,
        output=folder / "quantized.pt2",
        report=folder / "quantization.json",
        depfile=folder / "quantize_deps.json" if passes or recipe.operators else None,
    )
    more = {"inputs": [one.source for one in passes], "depfile": options.depfile or ""}
    return plan(f"quantize:{recipe.name}@{profile}", options, ("torch", "torchao", "executorch", "numpy"), **more)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.quantize", __doc__)
    settings = options.quantize
    from etbuild.compile import compiler_imports
    from etbuild.compile.custom_operators import register
    from etbuild.compile.exported_program import load_program, save_program
    from etbuild.compile.passes import Passes
    from etbuild.compile.quantizing import quantize
    from etbuild.compile.tracked_code import UserCode

    quantizes, code = settings.scheme != "none" or bool(settings.rules), UserCode()
    report: dict[str, Any] = {"tensors": [], "accepted": [], "rejected": []}
    if not quantizes and not options.passes:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.program, options.output)
    else:
        compiler_imports.load_executorch()
        register(options.operators, code.operators)
        passes = Passes(options.passes, code)
        program = passes.apply(load_program(options.program), "aten")
        if quantizes:
            program, report = quantize(program, settings, options.profile, options.export)
        save_program(passes.apply(program, "quantized"), options.output)
    if options.depfile:
        code.write_depfile(options.depfile, [*options.operators, *(one.source for one in options.passes)])
    read = digests((options.program, settings.calibration.data))
    options.report.write_text(json.dumps({"digests": read, "scheme": settings.scheme, **report}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
