"""What goes into a program and comes out, with its quantisation. It looks at the first method unless told."""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.pte.program import KernelCall, Plan, Tensor

QUANTIZE = ("cortex_m::quantize_per_tensor", "quantized_decomposed::quantize_per_tensor")
DEQUANTIZE = ("cortex_m::dequantize_per_tensor", "quantized_decomposed::dequantize_per_tensor")


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a method.

    dtype, shape, bytes: as the caller sees it. scale, zero_point: of the integer grid that the value is
    brought to right behind an input or comes from right before an output, None where no quantise or dequantise
    kernel stands there. quantized: the integer's dtype on the other side of that kernel, "" without one.
    """

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale: float | None = None
    zero_point: int | None = None
    quantized: str = ""


def inputs(plan: Plan) -> tuple[Port, ...]:
    """The method's tensor inputs, in order; a scalar input has shape ()."""
    readers = {call.args[0]: call for call in _calls(plan, QUANTIZE)}
    return tuple(_port(plan, index, readers.get(index), other=-1) for index in plan.inputs)


def outputs(plan: Plan) -> tuple[Port, ...]:
    writers = {call.args[-1]: call for call in _calls(plan, DEQUANTIZE)}
    return tuple(_port(plan, index, writers.get(index), other=0) for index in plan.outputs)


def is_border(plan: Plan, call: KernelCall) -> bool:
    """Whether a kernel only brings an input to the integer grid, or an output back from it."""
    name = plan.operators[call.operator].name
    if not call.args:
        return False
    return (name in QUANTIZE and call.args[0] in plan.inputs) or (name in DEQUANTIZE and call.args[-1] in plan.outputs)


def _calls(plan: Plan, names: tuple[str, ...]) -> list[KernelCall]:
    """The calls of these kernels: (value, scale, zero point, least, most, dtype, out, out)."""
    return [call for call in plan.kernel_calls() if plan.operators[call.operator].name in names and len(call.args) >= 7]


def _port(plan: Plan, index: int, call: KernelCall | None, other: int) -> Port:
    """other: which argument of `call` is the tensor on the integer side."""
    value = plan.values[index]
    if not isinstance(value, Tensor):
        return Port(type(value).__name__, (), 0)
    if call is None:
        return Port(value.dtype, value.sizes, value.bytes)
    scale, zero_point, integer = (plan.values[call.args[at]] for at in (1, 2, other))
    if not (isinstance(scale, float) and isinstance(zero_point, int) and isinstance(integer, Tensor)):
        return Port(value.dtype, value.sizes, value.bytes)
    return Port(value.dtype, value.sizes, value.bytes, scale, zero_point, integer.dtype)
