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
from etbuild.compile.calibration import require_order
from etbuild.compile.exported_program import load_program
from etbuild.compile.inputs import inputs_of
from etbuild.compile.lowered import read_lowered
from etbuild.compile.samples import read_samples
from etbuild.compile.tracked_code import UserCode
from etbuild.errors import exit_code_of
from etbuild.recipe.data_sections import Data, Golden
from etbuild.steps.options import inline, parse, plan, reads, writes
from etbuild.system.provenance import digests
from etbuild.verify import golden as reference
from etbuild.verify.cpu_operators import set_lines
from etbuild.verify.tosa_reference import TosaGraph

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
    output: Path = writes("golden.npz")
    report: Path = writes("golden.json")
    depfile: Path | None = writes("golden_deps.json: what the files that register operators read", None)


def step(recipe: Recipe, profile: str) -> Step:
    base = Path("build") / recipe.name
    folder = base / profile
    options = Options(
        exported=base / "export" / "exported.pt2",
        quantized=folder / "quantized.pt2",
        lowered=folder / "lowered.bin",
        delegates=folder / "delegates",
        partition=folder / "partition.json",
        vectors=recipe.vectors,
        limits=recipe.golden,
        operators=recipe.operator_files,
        output=folder / "golden.npz",
        report=folder / "golden.json",
        depfile=folder / "golden_deps.json" if recipe.operators else None,
    )
    tools = ("torch", "torchao", "executorch", "tosa-tools", "numpy")
    return plan(f"golden:{recipe.name}@{profile}", options, tools, depfile=options.depfile or "")


def main(argv: Sequence[str]) -> int:
    options = parse(Options, argv, "etbuild.steps.golden", __doc__)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    import numpy as np

    code = UserCode()
    registered = custom_operators.register(options.operators, code.operators)
    exported, quantized = load_program(options.exported), load_program(options.quantized)
    partition = json.loads(options.partition.read_text())
    border = partition["border"]
    require_order("vectors", options.vectors, exported)
    samples = read_samples(options.vectors, inputs_of(*exported.example_inputs), reference.RANDOM_VECTORS)
    with compiler_imports.serializer():
        lowered = read_lowered(options.lowered)
    custom_operators.add_out_variants(registered & {one.name for one in lowered.program.execution_plan[0].operators})
    graphs = [TosaGraph(options.delegates / f"{n}.tosa") for n in range(len(lowered.delegates))]
    made = reference.compute(lowered, graphs, (quantized, exported), samples, border["inputs"])
    set_lines(made.cpu_operators, partition["operators"])
    report = reference.describe(made, samples, border["outputs"])
    report["digests"] = digests((options.lowered, options.vectors.data))
    np.savez(options.output, **made.arrays(samples))
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    if options.depfile:
        code.write_depfile(options.depfile, options.operators)
    for one in made.cpu_operators:
        if one.worst:
            print(one)
    reference.check_limits(made.outputs, border["outputs"], options.limits, report)
    return 0


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
