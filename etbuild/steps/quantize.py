"""Step quantize: the quantised program of one profile, build/<recipe>/<profile>/quantized.pt2. It lowers nothing.

With operators, passes or training of the recipe also quantize_deps.json: what their code read.
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
from etbuild.system.provenance import depfile_digests, digests
from etbuild.system.provenance import settings as settings_of

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.compile.tracked_code import UserCode
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    program: Path = reads("exported.pt2")
    profile: str = option(
        "tosa-u55, tosa-u85, either with -cortex-m or -cortex-m-dsp, cpu, or cortex-m-scalar, -dsp or -mve"
    )
    quantize: Quantize = inline()
    export: Export = inline()
    operators: tuple[Path, ...] = reads("files that register operators of the user: .py or .so", ())
    passes: tuple[Pass, ...] = option("at:source:entry of a pass at aten or quantized", (), option="--pass")
    output: Path = writes("quantized.pt2")
    report: Path = writes("quantization.json")
    depfile: Path | None = writes("quantize_deps.json: the files that operators, passes and training read", None)


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    program = Path("build") / recipe.name / "export" / "exported.pt2"
    # Only what changes this step's output: another `io: int8` must not run it again.
    settings = replace(recipe.quantize, io="uint8" if recipe.quantize.io == "uint8" else "float32")
    if not _quantizes(settings):
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
        depfile=folder / "quantize_deps.json" if passes or recipe.operators or settings.qat.source else None,
    )
    inputs = [*(one.source for one in passes), *settings.qat.reads]
    more = {"inputs": inputs, "depfile": options.depfile or ""}
    return plan(f"quantize:{recipe.name}@{profile}", options, ("torch", "torchao", "executorch", "numpy"), **more)


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.quantize", __doc__)
    from etbuild.compile.quantized_model import may_be_quantized
    from etbuild.compile.tracked_code import UserCode

    settings, training = options.quantize, options.quantize.qat
    code = UserCode(bool(training.reads), "quantize.qat.reads" if training.source else "")
    is_quantized = may_be_quantized(options.program)
    is_worked_on = is_quantized or _quantizes(settings) or bool(options.passes)
    report = _made(options, code, is_quantized) if is_worked_on else _copied(options)
    if options.depfile:
        data = settings.calibration.data
        declared = [options.program, *options.operators, *(one.source for one in options.passes), training.source, data]
        code.write_depfile(options.depfile, [one for one in (*declared, *map(Path, training.reads)) if _is_file(one)])
    read = digests((options.program, settings.calibration.data, training.source))
    origin = {"digests": read | depfile_digests(options.depfile), "settings": settings_of(argv)}
    options.report.write_text(json.dumps({**origin, "scheme": settings.scheme, **report}, indent=1) + "\n")
    return 0


def _quantizes(settings: Quantize) -> bool:
    return settings.scheme != "none" or bool(settings.rules)


def _is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()


def _copied(options: Options) -> dict[str, Any]:
    options.output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.program, options.output)
    return {"tensors": [], "accepted": [], "rejected": []}


def _made(options: Options, code: UserCode, may_be_quantized: bool) -> dict[str, Any]:
    """Write the program, after its passes and its quantisation; quantization.json. A model that is quantised already is
    taken as it is. code: runs what the recipe names."""
    from etbuild.compile import compiler_imports, qat, quantized_model
    from etbuild.compile.custom_operators import register
    from etbuild.compile.exported_program import load_program, save_program
    from etbuild.compile.passes import Passes
    from etbuild.compile.quantizing import quantize

    compiler_imports.load_executorch()
    register(options.operators, code.operators)
    passes, settings, training = Passes(options.passes, code), options.quantize, options.quantize.qat

    def train(prepared: Any, samples: Sequence[qat.Sample]) -> None:
        with code.recorded():
            qat.train(prepared, training, samples)

    program = load_program(options.program)
    found = quantized_model.quantized_tensors(program) if may_be_quantized else []
    report: dict[str, Any] = {"tensors": found, "accepted": [], "rejected": []}
    if found:
        scheme = quantized_model.accept(found, settings, options.program)
        print(f"the model is quantised already, to {scheme}: it is taken as it is")
        report |= {"scheme": scheme, "already_quantized": True}
        if not options.passes:
            return {**_copied(options), **report}
    program = passes.apply(program, "aten")
    if not found and _quantizes(settings):
        trained = train if training.source else None
        program, report = quantize(program, settings, options.profile, options.export, trained)
    save_program(passes.apply(program, "quantized"), options.output)
    if training.source:
        report["trained"] = {"source": str(training.source), "entry": training.entry, "seed": training.seed}
    return report


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
