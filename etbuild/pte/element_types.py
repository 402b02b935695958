"""Whether a program needs the runtime that is built for all element types (runtime/base/wide.h). It reads no file."""

from __future__ import annotations

from collections.abc import Iterator

from etbuild.pte.program import Indices, Method, Tensor
from etbuild.pte.schema import SCALAR_TYPES

# Types that only that runtime can load; and types that any loads, but that only it computes with.
_LOADED = {scalar.name for scalar in SCALAR_TYPES.values() if scalar.wide}
_COMPUTED = _LOADED | {"float16", "float64"}
# Operators that any runtime computes for float32 alone.
_FLOAT32_ALONE = ("aten::convolution.out", "aten::avg_pool2d.out", "aten::_adaptive_avg_pool2d.out")
# Operators whose kernels take float64 scales in any runtime.
_QUANTISED = ("quantized_decomposed::", "cortex_m::")


def needs_all_types(method: Method) -> bool:
    """Whether a tensor has a type of _LOADED, or a kernel is called with one of _COMPUTED."""
    if any(isinstance(value, Tensor) and value.dtype in _LOADED for value in method.values):
        return True
    return any(
        tensor.dtype in _COMPUTED or (name in _FLOAT32_ALONE and tensor.dtype != "float32")
        for call in method.kernel_calls()
        if not (name := str(method.operators[call.operator])).startswith(_QUANTISED)
        for argument in call.args
        for tensor in _tensors(method, argument)
    )


def _tensors(method: Method, index: int) -> Iterator[Tensor]:
    """The tensor at an index of the value table, or those of the list there."""
    value = method.values[index]
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Indices) and value.kind != "IntList":
        for item in value.items:
            if item >= 0 and isinstance(inner := method.values[item], Tensor):
                yield inner
