"""The inputs and outputs of a method, with their quantisation parameters. It quantises nothing."""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.pte.program import KernelCall, Method, Tensor

QUANTIZE = ("cortex_m::quantize_per_tensor", "quantized_decomposed::quantize_per_tensor")
DEQUANTIZE = ("cortex_m::dequantize_per_tensor", "quantized_decomposed::dequantize_per_tensor")


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a method.

    dtype, shape, bytes: as the caller sees it; dtype of an input that is no tensor: its type and value, "int 3".
    scale, zero_point:   the quantisation parameters of the kernel that quantises the input or dequantises the output,
                         None without such a kernel.
    quantized:           the dtype on the integer side of that kernel, "" without one.
    """

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    scale: float | None = None
    zero_point: int | None = None
    quantized: str = ""


def inputs(method: Method) -> tuple[Port, ...]:
    """The method's inputs, in order; one that is no tensor has shape () and 0 bytes."""
    readers = {call.args[0]: call for call in _calls(method, QUANTIZE)}
    return tuple(_port(method, index, readers.get(index), other=-1) for index in method.inputs)


def outputs(method: Method) -> tuple[Port, ...]:
    """The method's outputs, in order; a scalar output has shape ()."""
    writers = {call.args[-1]: call for call in _calls(method, DEQUANTIZE)}
    return tuple(_port(method, index, writers.get(index), other=0) for index in method.outputs)


def is_io_quantization(method: Method, call: KernelCall) -> bool:
    """Whether a kernel only quantises a model input or dequantises a model output."""
    name = method.operators[call.operator].name
    if not call.args:
        return False
    return (name in QUANTIZE and call.args[0] in method.inputs) or (
        name in DEQUANTIZE and call.args[-1] in method.outputs
    )


def _calls(method: Method, names: tuple[str, ...]) -> list[KernelCall]:
    """The calls of these kernels: (value, scale, zero point, least, most, dtype, out, out)."""
    return [
        call for call in method.kernel_calls() if method.operators[call.operator].name in names and len(call.args) >= 7
    ]


def _port(method: Method, index: int, call: KernelCall | None, other: int) -> Port:
    """other: which argument of `call` is the quantised tensor."""
    value = method.values[index]
    if not isinstance(value, Tensor):
        kind = type(value).__name__ if value is not None else "none"
        number = f" {value}" if index in method.inputs and isinstance(value, int | float) else ""
        return Port(kind + number, (), 0)
    if call is None:
        return Port(value.dtype, value.sizes, value.bytes)
    scale, zero_point, integer = (method.values[call.args[at]] for at in (1, 2, other))
    if not (isinstance(scale, float) and isinstance(zero_point, int) and isinstance(integer, Tensor)):
        return Port(value.dtype, value.sizes, value.bytes)
    return Port(value.dtype, value.sizes, value.bytes, scale, zero_point, integer.dtype)
