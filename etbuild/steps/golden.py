"""Step golden: expected outputs for the test vectors, and the differences between the stages of the model.

build/<recipe>/<profile>/: golden.npz, golden.json. It fails if the reference and the quantised program differ by
more than the recipe allows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.compile import custom_operators
from etbuild.compile.lowered import read_lowered
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.recipe.data_sections import Data, Golden
from etbuild.recipe.method_files import exported_file, golden_file, quantized_file
from etbuild.steps.options import inline, parse, plan, reads, writes
from etbuild.system.provenance import digests
from etbuild.verify.golden_files import GoldenFiles, write_golden

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step
    from etbuild.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command-line options."""

    exported: Path = reads("exported.pt2")
    quantized: Path = reads("quantized.pt2")
    lowered: Path = reads("lowered.bin")
    delegates: Path = reads("folder with 0.tosa, 1.tosa...")
    partition: Path = reads("partition.json")
    vectors: Data = inline("--vectors")
    limits: Golden = inline()
    operators: tuple[Path, ...] = reads(
        "files that register operators of the user: .py or .so", (), option="--operators"
    )
    output: Path = writes("golden.npz; of a program with several methods a folder with one a method")
    report: Path = writes("golden.json")
    depfile: Path | None = writes("golden_deps.json: what the files that register operators read", None)


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    options = Options(
        exported=exported_file(recipe),
        quantized=quantized_file(recipe, profile),
        lowered=folder / "lowered.bin",
        delegates=folder / "delegates",
        partition=folder / "partition.json",
        vectors=recipe.vectors,
        limits=recipe.golden,
        operators=recipe.operator_files,
        output=golden_file(recipe, profile),
        report=folder / "golden.json",
        depfile=folder / "golden_deps.json" if recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "tosa-tools", "numpy")
    samples = [one.data for one in recipe.vectors.methods if one.data]
    return plan(f"golden:{recipe.name}@{profile}", options, tools, inputs=samples, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.golden", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    code = UserCode()
    registered = custom_operators.register(options.operators, code.operators)
    with compiler_imports.serializer():
        lowered = read_lowered(options.lowered)
    custom_operators.add_out_variants(registered & {one.name for one in lowered.operators})
    files = GoldenFiles(options.exported, options.quantized, options.delegates, options.output, options.vectors)
    made = write_golden(files, lowered, json.loads(options.partition.read_text()))
    read = digests((options.lowered, options.vectors.data, *(one.data for one in options.vectors.methods)))
    options.report.write_text(json.dumps({**made.report, "digests": read}, indent=1) + "\n")
    if options.depfile:
        code.write_depfile(options.depfile, options.operators)
    for one in made.cpu_operators:
        if one.worst:
            print(one)
    made.check_limits(options.limits)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
