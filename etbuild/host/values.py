"""The values of a program's inputs and outputs, between the host library's structures and NumPy. It runs nothing."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etbuild.errors import UsageError
from etbuild.host import abi
from etbuild.pte.schema import SCALAR_TYPES

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# NumPy's name of each type of an element; it has no bfloat16, whose bits are passed as uint16.
_ELEMENTS = {number: scalar.name.replace("bfloat", "uint") for number, scalar in SCALAR_TYPES.items()}
# NumPy's type of a scalar value.
_SCALARS = {abi.INTEGER: "int64", abi.BOOLEAN: "bool", abi.REAL: "float64"}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a program.

    dtype:     NumPy's name; uint16 for the bits of bfloat16; of a number, of the array that it is passed in; "none"
               of a value that is neither.
    shape:     of a dynamic tensor the largest.
    dim_order: the dimensions, outermost in memory first.
    dynamic:   whether its sizes may be smaller than `shape`; of an input that is no tensor, whether the program reads
               it, and accepts another value.
    value:     of a number: the program's own, which an input has by default.
    """

    dtype: str
    shape: tuple[int, ...]
    dim_order: tuple[int, ...]
    dynamic: bool
    value: int | float | bool | None = None

    @property
    def is_tensor(self) -> bool:
        """Otherwise the program has a value for it."""
        return self.dtype != "none" and self.value is None


def info_of(value: abi.Value) -> TensorInfo:
    if value.kind == abi.OTHER:
        return TensorInfo("none", (), (), bool(value.dynamic))
    if value.kind != abi.TENSOR:
        return TensorInfo(_SCALARS[value.kind], (), (), bool(value.dynamic), array_of(value).item())
    sizes, order = tuple(value.sizes[: value.rank]), tuple(value.order[: value.rank])
    return TensorInfo(_ELEMENTS[value.dtype], sizes, order, bool(value.dynamic))


def array_of(value: abi.Value) -> Array:
    """A copy of a tensor or a number."""
    import numpy as np

    raw = ctypes.string_at(value.data, value.bytes)
    if value.kind != abi.TENSOR:
        return np.frombuffer(raw, _SCALARS[value.kind]).reshape(()).copy()
    order = value.order[: value.rank]
    stored = np.frombuffer(raw, _ELEMENTS[value.dtype]).reshape([value.sizes[d] for d in order])
    return np.ascontiguousarray(stored.transpose(np.argsort(order))) if order else stored.copy()


def scalar_input(given: Array | float | None, info: TensorInfo, place: str) -> Array | None:
    """The number to pass to an input that is no tensor; None where the program's own cannot change.

    given:  None for the program's own.
    place:  of the input, for messages.
    raises: UsageError for another type, or another value than the program is fixed to.
    """
    import numpy as np

    if info.dtype == "none":
        if info.dynamic:
            raise UsageError(
                f"{place}: got a program that reads this input, wanted its type and value in the program\n"
                "    ExecuTorch does not write numbers that torch.export leaves open: export it with fixed ones"
            )
        if given is not None:
            raise UsageError(f"{place}: got a value, wanted None: the input is neither a tensor nor a number")
        return None
    wanted = np.dtype(info.dtype)
    if given is None:
        return np.asarray(info.value, wanted) if info.dynamic else None
    array = np.asarray(given)
    # A float may be given as an integer.
    one_is_bool = (array.dtype.kind == "b") != (wanted.kind == "b")
    if array.shape or one_is_bool or not np.can_cast(array.dtype, wanted, "same_kind"):
        shown = f"{array.dtype}{list(array.shape)}" if array.shape else repr(array.item())
        raise UsageError(f"{place}: got {shown}, wanted one number, {info.dtype}")
    if info.dynamic:
        return array.astype(wanted)
    # A float may be rounded to float32.
    if array != np.asarray(info.value, array.dtype if array.dtype.kind == "f" else wanted):
        raise UsageError(
            f"{place}: got {array.item()}, wanted {info.value}, to which the program is fixed\n"
            "    leave it out, or export the model with the other value"
        )
    return None


def packed(array: Array, info: TensorInfo, place: str) -> Array:
    """The elements of a tensor in the order of its memory.

    place:  of the input, for messages.
    raises: UsageError for another type or shape than that of the input.
    """
    import numpy as np

    if array.dtype != info.dtype:
        raise UsageError(f"{place}: got {array.dtype}, wanted {info.dtype}")
    fits = [size <= most if info.dynamic else size == most for size, most in zip(array.shape, info.shape, strict=False)]
    if len(array.shape) != len(info.shape) or not all(fits):
        most = "at most " if info.dynamic else ""
        raise UsageError(f"{place}: got shape {list(array.shape)}, wanted {most}{list(info.shape)}")
    return np.ascontiguousarray(array.transpose(info.dim_order) if info.dim_order else array)
