"""Finds zero points that ExecuTorch's own kernels read wrongly. It changes nothing."""

from __future__ import annotations

from etbuild.pte.program import Method, Program, Tensor

_OPERATORS = ("quantized_decomposed::quantize_per_channel", "quantized_decomposed::dequantize_per_channel")
_ZERO_POINTS = 2  # the argument


def narrow_zero_points(program: Program) -> tuple[str, ...]:
    """Each operator per channel whose zero points are not int64, as "operator (int32 zero points)", in order."""
    return tuple(text for method in program.methods for text in narrow_in(method))


def narrow_in(method: Method) -> tuple[str, ...]:
    """Those of one method, one for each call.

    ExecuTorch's dequantize_per_channel accepts int32 and reads int64: eight bytes for each of four.
    """
    found = []
    for call in method.kernel_calls():
        name = str(method.operators[call.operator])
        if not name.startswith(_OPERATORS) or len(call.args) <= _ZERO_POINTS:
            continue
        value = method.values[call.args[_ZERO_POINTS]]
        if isinstance(value, Tensor) and value.dtype != "int64":
            found.append(f"{name} ({value.dtype} zero points)")
    return tuple(found)
