"""Which element types each kernel source of a firmware is built for, by the calls of its .pte. It compiles nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

from etbuild import RUNTIME
from etbuild.pte.program import Indices, Method, Tensor
from etbuild.pte.schema import SCALAR_TYPES

_BITS = {scalar.name: 1 << number for number, scalar in SCALAR_TYPES.items() if number < 32}
# What numbers are computed as that stand beside tensors (kernels/pointwise.h).
_NUMBERS = _BITS["float64"] | _BITS["int64"] | _BITS["bool"]


def called_types(*methods: Method) -> dict[str, int]:
    """For each operator that a kernel is called for: a bit for each type of its tensors, by the type's number."""
    found: dict[str, int] = {}
    for method, call in ((one, call) for one in methods for call in one.kernel_calls()):
        name = str(method.operators[call.operator])
        types = (_BITS.get(one, 0) for argument in call.args for one in _types(method, argument))
        found[name] = reduce(or_, types, found.get(name, 0))
    return found


def definitions(types: Mapping[str, int], files: Mapping[str, str], sources: Sequence[str]) -> dict[str, str]:
    """The compiler's option for each source of kernels.

    types: as `called_types`. files: the source of each of these operators but the user's own, which take all types.
    sources: all of the firmware; one with a header, or without a kernel of its own, serves others, with their tensors
    and numbers.
    """
    every = reduce(or_, types.values(), _NUMBERS)
    masks: dict[str, int] = {}
    for name, bits in ((name, bits) for name, bits in types.items() if name in files):
        masks[files[name]] = masks.get(files[name], 0) | bits
    for source in sources:
        if source.startswith("kernels/") and (RUNTIME / source).with_suffix(".h").is_file():
            masks[source] = every
    kernels = [name for name in sources if name.startswith("kernels/")]
    return {source: f"-DETB_TYPES={masks.get(source, every):#x}u" for source in kernels}


def _types(method: Method, index: int) -> Iterator[str]:
    """The types of the tensors at an index of the value table."""
    value = method.values[index]
    if isinstance(value, Tensor):
        yield value.dtype
    elif isinstance(value, Indices) and value.kind != "IntList":
        yield from (one for item in value.items if item >= 0 for one in _types(method, item))
