"""The quantised program of one profile: build/<recipe>/<profile>/quantized.pt2. It lowers nothing."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from etbuild.build_engine.step import Step
from etbuild.errors import StepError, exit_code_of
from etbuild.recipe.recipe import Quantize, Recipe
from etbuild.steps.options import (
    add_data_options,
    data_options,
    dynamic_shapes,
    read_data,
    read_dim,
    read_rule,
    write_dim,
    write_rule,
)
from etbuild.system.provenance import digests

# Beside the example inputs, where a recipe names no calibration data.
MADE_UP_SAMPLES = 8


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    program = Path("build") / recipe.name / "export" / "exported.pt2"
    settings = recipe.quantize
    quantizes = settings.scheme != "none"
    argv = [
        *("--program", str(program), "--profile", profile, "--scheme", settings.scheme),
        *(["--per-tensor"] if quantizes and not settings.per_channel else []),
        *(data_options("calibration", settings.calibration) if quantizes else []),
        *(word for rule in settings.rules for word in ("--rule", write_rule(rule))),
        *(["--io", settings.io] if settings.io == "uint8" else []),
        *([] if recipe.export.strict else ["--no-strict"]),
        *(word for dim in recipe.export.dynamic_shapes for word in ("--dynamic", write_dim(dim))),
        *("--output", str(folder / "quantized.pt2"), "--report", str(folder / "quantization.json")),
    ]
    data = settings.calibration.data
    return Step(
        name=f"quantize:{recipe.name}@{profile}",
        argv=tuple(argv),
        inputs=(program, *((data,) if data and quantizes else ())),
        outputs=(folder / "quantized.pt2", folder / "quantization.json"),
        tools=("python", "torch", "torchao", "executorch", "numpy"),
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    settings = Quantize(
        scheme=options.scheme,
        per_channel=options.per_channel,
        calibration=read_data(options, "calibration"),
        rules=tuple(options.rule),
        io=options.io,
    )
    from etbuild.compile import compiler_imports
    from etbuild.compile.exported_program import load_program, save_program

    if settings.scheme == "none" and not settings.rules:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(options.program, options.output)
        report: dict[str, Any] = {"tensors": [], "accepted": [], "rejected": []}
    else:
        compiler_imports.load_executorch()
        program, report = quantize(load_program(options.program), settings, options)
        save_program(program, options.output)
    read = digests((options.program, settings.calibration.data))
    options.report.write_text(json.dumps({"digests": read, "scheme": settings.scheme, **report}, indent=1) + "\n")
    return 0


def quantize(program: Any, settings: Quantize, options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The program with its operators between quantize and dequantize nodes, exported again, and the account."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from etbuild.compile import patches
    from etbuild.compile.quantizer import describe, make_quantizer
    from etbuild.compile.samples import read_samples

    example = program.example_inputs[0]
    samples = read_samples(settings.calibration, example, MADE_UP_SAMPLES)
    module = program.module(check_guards=False)
    quantizer = make_quantizer(settings, options.profile, module)
    with patches.code_on_demand():
        prepared = prepare_pt2e(module, quantizer)
    for number, sample in enumerate(samples.inputs):
        try:
            prepared(*sample)
        except Exception as error:
            said = str(error).strip().splitlines() or [""]
            raise StepError(f"calibration sample {number}: got {type(error).__name__}: {said[0]}") from error
    with patches.code_on_demand():
        converted = convert_pt2e(prepared)
    converted.recompile()
    report = describe(quantizer, converted)
    shapes = dynamic_shapes(example, options.dynamic)
    with patches.exported_unguarded() if shapes is None else nullcontext():
        return torch.export.export(converted, example, dynamic_shapes=shapes, strict=options.strict), report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.quantize", description=__doc__, allow_abbrev=False)
    parser.add_argument("--program", type=Path, required=True, help="exported.pt2")
    parser.add_argument("--profile", required=True, help="tosa-u55, tosa-u85 or cpu")
    parser.add_argument("--scheme", choices=("int8", "int16x8", "none"), required=True)
    parser.add_argument("--per-tensor", dest="per_channel", action="store_false", help="one scale for all of a weight")
    add_data_options(parser, "calibration", "calibration samples")
    parser.add_argument("--rule", type=read_rule, action="append", default=[], help="kind:match:scheme; the first wins")
    parser.add_argument("--io", choices=("float32", "int8", "uint8"), default="float32", help="at the model's border")
    parser.add_argument("--no-strict", dest="strict", action="store_false", help="export by tracing Python")
    parser.add_argument("--dynamic", type=read_dim, action="append", default=[], help="input:axis:name:low:high")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
