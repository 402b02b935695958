"""What the model should answer: expected outputs for the test vectors, and how far its versions are apart.

build/<recipe>/<profile>/: golden.npz, golden.json. The reference is the lowered program with each delegate computed
by the TOSA reference model and CPU operators by PyTorch; beside it stand the quantised PyTorch program and the float
model. It fails where the reference and the quantised program differ by more than the recipe allows.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etbuild.build_engine.step import Step
from etbuild.compile.exported_program import load_program
from etbuild.compile.lowered import Lowered, read_lowered
from etbuild.compile.samples import Samples, read_samples
from etbuild.errors import StepError, exit_code_of
from etbuild.recipe.recipe import Golden, Recipe
from etbuild.steps.options import add_data_options, data_options, option, read_data
from etbuild.system.provenance import digests
from etbuild.verify.compare import accuracy, against_float, from_grid, steps_apart, to_grid, worst
from etbuild.verify.tosa_reference import TosaGraph

# Beside the example inputs, where a recipe names no vectors.
MADE_UP_VECTORS = 3

# The integers at the model's border, as partition.json has them: scale, zero_point, range, dtype.
Grid = dict[str, Any] | None


def step(recipe: Recipe, profile: str) -> Step:
    base = Path("build") / recipe.name
    folder = base / profile
    inputs = {
        "--exported": base / "export" / "exported.pt2",
        "--quantized": folder / "quantized.pt2",
        "--lowered": folder / "lowered.bin",
        "--delegates": folder / "delegates",
        "--partition": folder / "partition.json",
    }
    limits = recipe.golden
    data = recipe.vectors.data
    return Step(
        name=f"golden:{recipe.name}@{profile}",
        argv=(
            *(word for name, path in inputs.items() for word in (name, str(path))),
            *data_options("vectors", recipe.vectors),
            *("--lsb", str(limits.lsb)),
            *option("--atol", limits.atol),
            *option("--rtol", limits.rtol),
            *option("--accuracy", limits.accuracy),
            *("--output", str(folder / "golden.npz"), "--report", str(folder / "golden.json")),
        ),
        inputs=(*inputs.values(), *((data,) if data else ())),
        outputs=(folder / "golden.npz", folder / "golden.json"),
        tools=("python", "torch", "torchao", "executorch", "tosa-tools", "numpy"),
    )


@dataclass
class Outputs:
    """Columns of arrays, [vectors, ...] each, one an output of the model."""

    reference: list[Any]
    quantized: list[Any]
    floating: list[Any]


@dataclass
class Recorded:
    """A delegate that keeps what goes in and comes out. calls: one list a vector."""

    graph: TosaGraph
    calls: list[list[tuple[list[Any], list[Any]]]] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        return self.graph.outputs

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        outputs = self.graph.run(inputs)
        given = [array.reshape(port.shape) for array, port in zip(inputs, self.graph.ports[0], strict=True)]
        self.calls[-1].append((given, outputs))
        return outputs


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from etbuild.compile import compiler_imports

    compiler_imports.load_quantized_operators()
    import numpy as np

    exported, quantized = load_program(options.exported), load_program(options.quantized)
    border = json.loads(options.partition.read_text())["border"]
    samples = read_samples(read_data(options, "vectors"), exported.example_inputs[0], MADE_UP_VECTORS)
    with compiler_imports.serializer():
        lowered = read_lowered(options.lowered)
    delegates = [Recorded(TosaGraph(options.delegates / f"{n}.tosa")) for n in range(len(lowered.delegates))]
    inputs = _program_inputs(samples, border["inputs"], lowered)
    outputs = Outputs(
        _run_reference(lowered, delegates, inputs), _run(quantized, samples.inputs), _run(exported, samples.inputs)
    )
    limits = Golden(options.lsb, options.atol, options.rtol, options.accuracy)
    report = describe(outputs, samples, border["outputs"])
    report["delegates"] = [{"delegate": n, "calls": sum(map(len, one.calls))} for n, one in enumerate(delegates)]
    report["digests"] = digests((options.lowered, read_data(options, "vectors").data))
    np.savez(options.output, **_arrays(inputs, outputs, delegates, samples))
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    judge(outputs, border["outputs"], limits, report)
    return 0


def describe(outputs: Outputs, samples: Samples, grids: Sequence[Grid]) -> dict[str, Any]:
    """golden.json: per output the steps between reference and quantised program, and both against the float model."""
    told = []
    for reference, quantized, floating, grid in zip(
        outputs.reference, outputs.quantized, outputs.floating, grids, strict=True
    ):
        apart = steps_apart(reference, quantized, grid)
        told.append(
            {
                "shape": list(reference.shape[1:]),
                "dtype": str(reference.dtype),
                "step": grid["scale"] if grid else None,
                "lsb": {"max": float(apart.max(initial=0)), "mean": float(apart.mean()) if apart.size else 0.0},
                "reference_to_float": against_float(_floating(reference, grid), floating),
                "quantized_to_float": against_float(quantized, floating),
            }
        )
    report: dict[str, Any] = {"vectors": len(samples.inputs), "outputs": told, "accuracy": None}
    if samples.labels is not None:
        columns = {"float": outputs.floating, "quantized": outputs.quantized, "reference": outputs.reference}
        report["accuracy"] = {name: accuracy(column[0], samples.labels) for name, column in columns.items()}
    return report


def judge(outputs: Outputs, grids: Sequence[Grid], limits: Golden, report: dict[str, Any]) -> None:
    """Raises StepError at the first limit of the recipe that is not held."""
    import numpy as np

    for index, grid in enumerate(grids):
        reference, quantized, floating = outputs.reference[index], outputs.quantized[index], outputs.floating[index]
        shown = quantized if reference.dtype.kind == "f" or grid is None else to_grid(quantized, grid)
        found = worst(steps_apart(reference, quantized, grid), reference, shown)
        if found and found.difference > limits.lsb:
            raise StepError(
                f"output {index}: vector {found.vector}, element {list(found.element)}: the TOSA reference model gives "
                f"{found.got:.9g}, the quantised PyTorch program {found.wanted:.9g}: {found.difference:.0f} steps of "
                f"{grid['scale'] if grid else 'its rounding'} apart, wanted at most {limits.lsb} (golden.lsb)"
            )
        if limits.atol is None and limits.rtol is None:
            continue
        values = _floating(reference, grid)
        allowed = (limits.atol or 0.0) + (limits.rtol or 0.0) * np.abs(floating)
        found = worst(np.maximum(np.abs(values - floating) - allowed, 0), values, floating)
        if found:
            raise StepError(
                f"output {index}: vector {found.vector}, element {list(found.element)}: got {found.got:.9g}, the float "
                f"model {found.wanted:.9g}, wanted within atol {limits.atol or 0} and rtol {limits.rtol or 0} (golden)"
            )
    if limits.accuracy is not None:
        _judge_accuracy(limits.accuracy, report["accuracy"])


def _judge_accuracy(wanted: float, found: dict[str, float] | None) -> None:
    if found is None:
        raise StepError("golden.accuracy: got vectors without labels, wanted an array `labels` in the data")
    if found["reference"] < wanted:
        raise StepError(
            f"golden.accuracy: got {found['reference']:.2%} on the delegate ({found['quantized']:.2%} quantised, "
            f"{found['float']:.2%} float), wanted at least {wanted:.2%}"
        )


def _program_inputs(samples: Samples, grids: Sequence[Grid], lowered: Lowered) -> list[tuple[Any, ...]]:
    """The vectors as the program takes them: in integers where its border is."""
    import torch

    plan = lowered.program.execution_plan[0]
    is_float = [int(plan.values[index].val.scalar_type) in (5, 6, 7, 15) for index in plan.inputs]
    return [
        tuple(
            value if wants_float or grid is None else torch.from_numpy(to_grid(value.numpy(), grid))
            for value, grid, wants_float in zip(sample, grids, is_float, strict=True)
        )
        for sample in samples.inputs
    ]


def _run_reference(lowered: Lowered, delegates: Sequence[Recorded], inputs: Sequence[tuple[Any, ...]]) -> list[Any]:
    from etbuild.verify.interpreter import Interpreter

    interpreter = Interpreter(lowered, delegates)
    rows = []
    for number, sample in enumerate(inputs):
        for delegate in delegates:
            delegate.calls.append([])
        try:
            rows.append([value.detach().clone() for value in interpreter.run(sample)])
        except StepError as error:
            raise StepError(f"vector {number}: {error}") from error
    return _columns(rows)


def _run(program: Any, inputs: Sequence[tuple[Any, ...]]) -> list[Any]:
    import torch
    from torch.utils import _pytree as pytree

    module = program.module(check_guards=False)
    with torch.no_grad():
        return _columns([[leaf.clone() for leaf in pytree.tree_leaves(module(*sample))] for sample in inputs])


def _columns(rows: Sequence[Sequence[Any]]) -> list[Any]:
    import torch

    return [torch.stack([row[index] for row in rows]).contiguous().numpy() for index in range(len(rows[0]))]


def _floating(values: Any, grid: Grid) -> Any:
    return from_grid(values, grid) if grid and values.dtype.kind != "f" else values


def _arrays(
    inputs: Sequence[tuple[Any, ...]], outputs: Outputs, delegates: Sequence[Recorded], samples: Samples
) -> Any:
    import numpy as np

    arrays = {f"input_{i}": array for i, array in enumerate(_columns(inputs))}
    for name, column in (
        ("output", outputs.reference),
        ("quantized", outputs.quantized),
        ("float", outputs.floating),
    ):
        arrays |= {f"{name}_{i}": array for i, array in enumerate(column)}
    for number, delegate in enumerate(delegates):
        # A delegate in a loop or branch has no one answer a vector, and is held by the model's outputs alone.
        if any(len(calls) != 1 for calls in delegate.calls):
            continue
        for at, side in enumerate(("input", "output")):
            for i in range(len(delegate.calls[0][0][at])):
                column = np.stack([calls[0][at][i] for calls in delegate.calls])
                arrays[f"delegate_{number}_{side}_{i}"] = column
    if samples.labels is not None:
        arrays["labels"] = np.array(samples.labels, np.int64)
    return arrays


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.golden", description=__doc__, allow_abbrev=False)
    parser.add_argument("--exported", type=Path, required=True, help="exported.pt2")
    parser.add_argument("--quantized", type=Path, required=True, help="quantized.pt2")
    parser.add_argument("--lowered", type=Path, required=True, help="lowered.bin")
    parser.add_argument("--delegates", type=Path, required=True, help="folder with 0.tosa, 1.tosa...")
    parser.add_argument("--partition", type=Path, required=True, help="partition.json")
    add_data_options(parser, "vectors", "test vectors")
    parser.add_argument("--lsb", type=int, default=0, help="steps between the delegate's and PyTorch's integers")
    parser.add_argument("--atol", type=float, help="absolute error against the float model")
    parser.add_argument("--rtol", type=float, help="relative error against the float model")
    parser.add_argument("--accuracy", type=float, help="least share of right labels, 0..1")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
