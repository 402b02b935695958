"""Expected outputs for the test vectors, and how far the versions of a model are apart.

The reference is the lowered program with each delegate computed by the TOSA reference model and CPU operators by PyTorch;
it is compared with the quantised PyTorch program and the float model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.verify.compare import accuracy, against_float, from_grid, steps_apart, to_grid, worst

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered
    from etbuild.compile.samples import Samples
    from etbuild.recipe.data_sections import Golden
    from etbuild.verify.tosa_reference import TosaGraph

# Random vectors in addition to the example inputs, where a recipe names none.
RANDOM_VECTORS = 3

# Quantisation parameters of a model input or output, as partition.json has them: scale, zero_point, range, dtype.
QuantParams = dict[str, Any] | None


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


@dataclass(frozen=True)
class Expected:
    """What a model should compute. inputs: one tuple a vector, as the program takes them."""

    inputs: list[tuple[Any, ...]]
    outputs: Outputs
    delegates: list[Recorded]

    def arrays(self, samples: Samples) -> dict[str, Any]:
        """The arrays of golden.npz, [vectors, ...] each."""
        return _arrays(self.inputs, self.outputs, self.delegates, samples)


def compute(
    lowered: Lowered,
    graphs: Sequence[TosaGraph],
    programs: tuple[Any, Any],
    samples: Samples,
    params: Sequence[QuantParams],
) -> Expected:
    """Run the reference, and the quantised and the float program, on all vectors.

    programs: quantised and float, as ExportedPrograms. params: of the model's inputs.
    """
    quantized, exported = programs
    delegates = [Recorded(graph) for graph in graphs]
    inputs = _program_inputs(samples, params, lowered)
    reference = _run_reference(lowered, delegates, inputs)
    return Expected(
        inputs, Outputs(reference, _run(quantized, samples.inputs), _run(exported, samples.inputs)), delegates
    )


def describe(made: Expected, samples: Samples, params: Sequence[QuantParams]) -> dict[str, Any]:
    """golden.json: per output the steps between reference and quantised program, and both against the float model."""
    outputs, rows = made.outputs, []
    for reference, quantized, floating, grid in zip(
        outputs.reference, outputs.quantized, outputs.floating, params, strict=True
    ):
        apart = steps_apart(reference, quantized, grid)
        rows.append(
            {
                "shape": list(reference.shape[1:]),
                "dtype": str(reference.dtype),
                "step": grid["scale"] if grid else None,
                "lsb": {"max": float(apart.max(initial=0)), "mean": float(apart.mean()) if apart.size else 0.0},
                "reference_to_float": against_float(_floating(reference, grid), floating),
                "quantized_to_float": against_float(quantized, floating),
            }
        )
    report: dict[str, Any] = {"vectors": len(samples.inputs), "outputs": rows, "accuracy": None}
    if samples.labels is not None:
        columns = {"float": outputs.floating, "quantized": outputs.quantized, "reference": outputs.reference}
        report["accuracy"] = {name: accuracy(column[0], samples.labels) for name, column in columns.items()}
    report["delegates"] = [{"delegate": n, "calls": sum(map(len, one.calls))} for n, one in enumerate(made.delegates)]
    return report


def judge(outputs: Outputs, grids: Sequence[QuantParams], limits: Golden, report: dict[str, Any]) -> None:
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


def _program_inputs(samples: Samples, grids: Sequence[QuantParams], lowered: Lowered) -> list[tuple[Any, ...]]:
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


def _floating(values: Any, grid: QuantParams) -> Any:
    return from_grid(values, grid) if grid and values.dtype.kind != "f" else values


def _arrays(
    inputs: Sequence[tuple[Any, ...]], outputs: Outputs, delegates: Sequence[Recorded], samples: Samples
) -> dict[str, Any]:
    import numpy as np

    arrays: dict[str, Any] = {f"input_{i}": array for i, array in enumerate(_columns(inputs))}
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
