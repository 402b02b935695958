"""Step quantize: the quantised program of one profile, build/<recipe>/<profile>/quantized.pt2. It lowers nothing.

With operators, passes or training of the recipe also quantize_deps.json: what their code read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile.quantized_files import Quantization, quantizes, write_quantized
from etbuild.errors import exit_code_of
from etbuild.recipe.data_sections import Calibration, Quantize
from etbuild.recipe.method_files import exported_file, quantized_file
from etbuild.recipe.model_sections import Export
from etbuild.recipe.program_sections import POINTS_OF_QUANTIZE, Pass
from etbuild.steps.options import inline, option, parse, plan, reads, writes
from etbuild.system.provenance import depfile_digests, digests
from etbuild.system.provenance import settings as settings_of

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    program: Path = reads("exported.pt2; with methods a folder with one a method")
    profile: str = option(
        "tosa-u55, tosa-u85, either with -cortex-m or -cortex-m-dsp, cpu, or cortex-m-scalar, -dsp or -mve"
    )
    quantize: Quantize = inline()
    export: Export = inline()
    operators: tuple[Path, ...] = reads("files that register operators of the user: .py or .so", ())
    passes: tuple[Pass, ...] = option("at:source:entry of a pass at aten or quantized", (), option="--pass")
    output: Path = writes("quantized.pt2; with methods a folder with one a method")
    report: Path = writes("quantization.json")
    depfile: Path | None = writes("quantize_deps.json: the files that operators, passes and training read", None)


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    program = exported_file(recipe)
    # Only what changes this step's output: another `io: int8` must not run it again.
    settings = replace(recipe.quantize, io="uint8" if recipe.quantize.io == "uint8" else "float32")
    if not quantizes(settings):
        settings = replace(settings, per_channel=True, calibration=Calibration(), weights=())
    passes = tuple(one for one in recipe.passes if one.at in POINTS_OF_QUANTIZE)
    options = Options(
        program=program,
        profile=profile,
        quantize=settings,
        export=recipe.export,
        operators=recipe.operator_files,
        passes=passes,
        output=quantized_file(recipe, profile),
        report=folder / "quantization.json",
        depfile=folder / "quantize_deps.json" if passes or recipe.operators or settings.qat.source else None,
    )
    samples = (one.data for one in settings.calibration.methods if one.data)
    inputs = [*(one.source for one in passes), *settings.qat.reads, *samples]
    more = {"inputs": inputs, "depfile": options.depfile or ""}
    return plan(f"quantize:{recipe.name}@{profile}", options, ("torch", "torchao", "executorch", "numpy"), **more)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.quantize", __doc__)
    from etbuild.compile.tracked_code import UserCode

    settings, training = options.quantize, options.quantize.qat
    code = UserCode(bool(training.reads), "quantize.qat.reads" if training.source else "")
    files = options.program, options.output
    own = options.operators, options.passes
    report = write_quantized(Quantization(*files, options.profile, settings, options.export, *own), code)
    calibration = settings.calibration
    samples = [one for one in (calibration.data, *(method.data for method in calibration.methods)) if one]
    if options.depfile:
        declared = [options.program, *options.operators, *(one.source for one in options.passes), training.source]
        known = (*declared, *samples, *map(Path, training.reads))
        code.write_depfile(options.depfile, [one for one in known if _is_file(one)])
    read = digests((options.program, *samples, training.source))
    origin = {"digests": read | depfile_digests(options.depfile), "settings": settings_of(argv)}
    options.report.write_text(json.dumps({**origin, "scheme": settings.scheme, **report}, indent=1) + "\n")
    return 0


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
