"""Expected outputs (golden) for the test vectors, and the differences between the versions of a model.

The reference is the lowered program: delegates are computed by the TOSA reference model, operators on the CPU by the
kernels of ExecuTorch's runtime, those of its Cortex-M backend by that backend's own implementation. It is compared with
the quantised PyTorch program and the float model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etbuild.compile.inputs import inputs_of
from etbuild.errors import StepError
from etbuild.verify.compare import (
    QuantParams,
    Worst,
    accuracy,
    against_float,
    dequantize,
    lsb_error,
    quantize,
    rounded_up,
    worst,
)
from etbuild.verify.cpu_operators import Compared, CpuOperators

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered
    from etbuild.compile.samples import Samples
    from etbuild.recipe.data_sections import Golden
    from etbuild.verify.tosa_reference import TosaGraph

# Random vectors in addition to the example inputs, when a recipe names no vectors.
RANDOM_VECTORS = 3
# Scalar types of program.fbs in floating point: half, float, double, bfloat16.
_FLOATING = (5, 6, 7, 15)


@dataclass
class Outputs:
    """The outputs of the three versions of a model: one array per output, [vectors, ...] each."""

    reference: list[Any]
    quantized: list[Any]
    floating: list[Any]


@dataclass
class RecordingDelegate:
    """A delegate that records its inputs and outputs. calls: one list per vector, with a pair of each call."""

    graph: TosaGraph
    calls: list[list[tuple[list[Any], list[Any]]]] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        return self.graph.outputs

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        outputs = self.graph.run(inputs)
        # Copies: a state that the program changes in place is the same memory in every call.
        shaped = [array.reshape(spec.shape).copy() for array, spec in zip(inputs, self.graph.specs[0], strict=True)]
        self.calls[-1].append((shaped, outputs))
        return outputs


@dataclass(frozen=True)
class Expected:
    """What a model computes.

    inputs:       one tuple of leaves per vector, with the dtypes of the program's inputs.
    cpu_operators: in the order of the program, how PyTorch's results differ from ExecuTorch's.
    """

    inputs: list[tuple[Any, ...]]
    outputs: Outputs
    delegates: list[RecordingDelegate]
    cpu_operators: list[Compared]

    def arrays(self, samples: Samples) -> dict[str, Any]:
        """The arrays of golden.npz, [vectors, ...] each."""
        return _arrays(self.inputs, self.outputs, self.delegates, samples)


def compute(
    lowered: Lowered,
    graphs: Sequence[TosaGraph],
    programs: tuple[Any, Any],
    samples: Samples,
    params: Sequence[QuantParams | None],
) -> Expected:
    """Run the reference, the quantised and the float program on all vectors.

    graphs:   one per delegate, in order.
    programs: the quantised and the float ExportedProgram.
    params:   one per input of the model.
    raises:   StepError when a graph or an operator cannot be computed.
    """
    quantized, exported = programs
    delegates, kernels = [RecordingDelegate(graph) for graph in graphs], CpuOperators()
    inputs = _program_inputs(samples, params, lowered)
    reference = _run_reference(lowered, delegates, kernels, inputs)
    outputs = Outputs(reference, _run(quantized, samples.inputs), _run(exported, samples.inputs))
    return Expected(inputs, outputs, delegates, list(kernels.compared.values()))


def describe(expected: Expected, samples: Samples, output_params: Sequence[QuantParams | None]) -> dict[str, Any]:
    """golden.json: for each output the error in LSB between reference and quantised program, and the errors of both
    against the float model; accuracy when there are labels; the calls of each delegate; for each CPU operator how
    PyTorch's results differ from those of ExecuTorch's kernel."""
    outputs, rows = expected.outputs, []
    for reference, quantized, floating, params in zip(
        outputs.reference, outputs.quantized, outputs.floating, output_params, strict=True
    ):
        error, found = lsb_error(reference, quantized, params), _worst_lsb((reference, quantized), params)
        place = found and {"vector": found.vector, "element": list(found.element)}
        rows.append(
            {
                "shape": list(reference.shape[1:]),
                "dtype": str(reference.dtype),
                "step": params["scale"] if params else None,
                "lsb": {
                    "max": found.difference if found else 0.0,
                    "mean": float(error.mean()) if error.size else 0.0,
                    "largest_at": place,
                },
                "reference_to_float": against_float(_floating(reference, params), floating),
                "quantized_to_float": against_float(quantized, floating),
            }
        )
    report: dict[str, Any] = {"vectors": len(samples.inputs), "outputs": rows, "accuracy": None}
    if samples.labels is not None:
        columns = {"float": outputs.floating, "quantized": outputs.quantized, "reference": outputs.reference}
        report["accuracy"] = {name: accuracy(column[0], samples.labels) for name, column in columns.items()}
    calls = [sum(map(len, delegate.calls)) for delegate in expected.delegates]
    report["delegates"] = [{"delegate": number, "calls": count} for number, count in enumerate(calls)]
    report["cpu_operators"] = [one.to_json() for one in expected.cpu_operators]
    return report


def check_limits(
    outputs: Outputs, output_params: Sequence[QuantParams | None], limits: Golden, report: dict[str, Any]
) -> None:
    """Compare with the limits of a recipe. report: golden.json.

    raises: StepError at the first limit that is exceeded, with the value that would accept it.
    """
    for index, params in enumerate(output_params):
        reference, quantized, floating = outputs.reference[index], outputs.quantized[index], outputs.floating[index]
        _check_lsb(index, (reference, quantized), params, (limits.lsb, report))
        _check_float(index, (_floating(reference, params), floating), limits)
    if limits.accuracy is not None:
        _check_accuracy(limits.accuracy, report)


def _worst_lsb(arrays: tuple[Any, Any], params: QuantParams | None) -> Worst | None:
    """arrays: an output of the reference and of the quantised program."""
    reference, quantized = arrays
    shown = quantized if reference.dtype.kind == "f" or params is None else quantize(quantized, params)
    return worst(lsb_error(reference, quantized, params), reference, shown)


def _check_lsb(
    index: int, arrays: tuple[Any, Any], params: QuantParams | None, limit: tuple[int | None, dict[str, Any]]
) -> None:
    """arrays: as of `_worst_lsb`. limit: golden.lsb, and golden.json."""
    most, report = limit
    found = _worst_lsb(arrays, params)
    if found and most is not None and found.difference > most:
        lsb = params["scale"] if params else "1e-5 of the largest output" if arrays[0].dtype.kind == "f" else 1
        raise StepError(
            f"output {index}: vector {found.vector}, element {list(found.element)}: {reference_of(report)} "
            f"{found.got:.9g}, the quantised PyTorch program {found.wanted:.9g}: got an error of "
            f"{found.difference:.0f} LSB (1 LSB is {lsb}), wanted at most {most} (golden.lsb)\n"
            f"    golden: {{lsb: {found.difference:.0f}}} accepts it; without lsb it is only reported"
            f"{_pytorchs_kernels(report['cpu_operators'])}"
        )


def reference_of(report: dict[str, Any]) -> str:
    """Who computed the expected outputs, as the beginning of "... gives 5". report: golden.json."""
    names = ["the TOSA reference model"] if report["delegates"] else []
    # Inputs and outputs are converted by that backend's operators in each program for an NPU.
    cortex_m = [one["operator"] for one in report["cpu_operators"] if one["operator"].startswith("cortex_m::")]
    if any("quantize_per_tensor" not in name for name in cortex_m):
        names.append("ExecuTorch's Cortex-M backend")
    if not names:
        return "ExecuTorch's CPU kernels give"
    return f"{' with '.join(names)} gives"


def _pytorchs_kernels(on_cpu: Sequence[dict[str, Any]]) -> str:
    """The end of a message: the CPU operators that PyTorch computes in another way. on_cpu: of golden.json."""
    other = [(one["operator"], one["pytorch"]) for one in on_cpu if one["pytorch"] and one["pytorch"]["differing"]]
    return "".join(
        f"\n    on the CPU PyTorch's {name} differs from ExecuTorch's kernel by at most {found['max_abs']:.3g}"
        for name, found in other
    )


def _check_float(index: int, arrays: tuple[Any, Any], limits: Golden) -> None:
    """arrays: an output of the reference and of the float model."""
    import numpy as np

    if limits.atol is None and limits.rtol is None:
        return
    values, floating = arrays
    allowed = (limits.atol or 0.0) + (limits.rtol or 0.0) * np.abs(floating)
    found = worst(np.maximum(np.abs(values - floating) - allowed, 0), values, floating)
    if found:
        needed = (limits.atol or 0.0) + found.difference
        raise StepError(
            f"output {index}: vector {found.vector}, element {list(found.element)}: got {found.got:.9g}, the float "
            f"model {found.wanted:.9g}, wanted within atol {limits.atol or 0} and rtol {limits.rtol or 0} (golden)\n"
            f"    golden: {{atol: {rounded_up(needed)}}} accepts it; more calibration data may reduce it"
        )


def _check_accuracy(wanted: float, report: dict[str, Any]) -> None:
    found = report["accuracy"]
    if found is None:
        raise StepError("golden.accuracy: got vectors without labels, wanted an array `labels` in the data")
    if found["reference"] < wanted:
        where = "delegate" if report["delegates"] else "CPU"
        accepted = math.floor(found["reference"] * 1000) / 1000
        raise StepError(
            f"golden.accuracy: got {found['reference']:.2%} on the {where} ({found['quantized']:.2%} quantised, "
            f"{found['float']:.2%} float), wanted at least {wanted:.2%}\n"
            f"    golden: {{accuracy: {accepted}}} accepts it; more calibration data may raise it"
        )


def _program_inputs(
    samples: Samples, input_params: Sequence[QuantParams | None], lowered: Lowered
) -> list[tuple[Any, ...]]:
    """The vectors with the dtypes of the program's inputs: quantised where these are integers."""
    import torch

    plan = lowered.plan
    schemas = [plan.values[index].val for index in plan.inputs]
    is_float = [int(getattr(schema, "scalar_type", -1)) in _FLOATING for schema in schemas]
    return [
        tuple(
            value if wants_float or params is None else torch.from_numpy(quantize(value.numpy(), params))
            for value, params, wants_float in zip(sample, input_params, is_float, strict=True)
        )
        for sample in samples.inputs
    ]


def _run_reference(
    lowered: Lowered,
    delegates: Sequence[RecordingDelegate],
    kernels: CpuOperators,
    inputs: Sequence[tuple[Any, ...]],
) -> list[Any]:
    from etbuild.verify.interpreter import Interpreter

    interpreter = Interpreter(lowered, delegates, kernels)
    rows = []
    for number, sample in enumerate(inputs):
        kernels.vector = number
        for delegate in delegates:
            delegate.calls.append([])
        try:
            rows.append(_copies(interpreter.run(sample)))
        except StepError as error:
            raise StepError(f"vector {number}: {error}") from error
    return _columns(rows)


def _run(program: Any, inputs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The outputs of an ExportedProgram, [vectors, ...] each."""
    import torch
    from torch.utils import _pytree as pytree

    example = inputs_of(*program.example_inputs)
    module = program.module(check_guards=False)
    with torch.no_grad():
        return _columns([_copies(pytree.tree_leaves(example.with_leaves(sample).call(module))) for sample in inputs])


def _copies(values: Sequence[Any]) -> list[Any]:
    """The next run may change what tensors refer to."""
    import torch

    return [value.detach().clone() if isinstance(value, torch.Tensor) else value for value in values]


def _columns(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """One array per input or output, [vectors, ...]. rows: one sequence of values per vector."""
    return [_column([row[index] for row in rows]) for index in range(len(rows[0]))]


def _column(values: Sequence[Any]) -> Any:
    """[vectors, ...] of tensors, [vectors] of numbers, [vectors, 0] of texts and None, which a program has itself."""
    import numpy as np
    import torch

    if isinstance(values[0], torch.Tensor):
        return torch.stack(list(values)).contiguous().numpy()
    dtype = {bool: np.bool_, int: np.int64, float: np.float64}.get(type(values[0]))
    return np.array(values, dtype) if dtype else np.empty((len(values), 0), np.uint8)


def _floating(values: Any, params: QuantParams | None) -> Any:
    return dequantize(values, params) if params and values.dtype.kind != "f" else values


def _arrays(
    inputs: Sequence[tuple[Any, ...]], outputs: Outputs, delegates: Sequence[RecordingDelegate], samples: Samples
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
        # A delegate in a loop or branch is not called once per vector; it is checked by the model's outputs alone.
        if any(len(calls) != 1 for calls in delegate.calls):
            continue
        for side, side_name in enumerate(("input", "output")):
            for i in range(len(delegate.calls[0][0][side])):
                column = np.stack([calls[0][side][i] for calls in delegate.calls])
                arrays[f"delegate_{number}_{side_name}_{i}"] = column
    if samples.labels is not None:
        arrays["labels"] = np.array(samples.labels, np.int64)
    return arrays
