"""Run a .pte on the host, its delegates on an emulated NPU: `Program(path).run(*arrays)`. It compiles nothing.

program = Program("model.pte")
(logits,) = program.run(image)
"""

from __future__ import annotations

import ctypes
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError, UsageError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FAST_SCRATCH_BYTES = 4 << 20

# The .pte's number of an element type: its name in numpy.
_DTYPES = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
}
_TENSOR, _INTEGER, _BOOLEAN, _REAL = range(4)
_SCALAR_DTYPES = {_INTEGER: "int64", _BOOLEAN: "bool", _REAL: "float64"}


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a program.

    dtype:     as numpy spells it; of a scalar the one that holds it.
    shape:     of a dynamic tensor the largest.
    dim_order: the dimensions, outermost in memory first.
    dynamic:   may its sizes be smaller than `shape`?
    """

    dtype: str
    shape: tuple[int, ...]
    dim_order: tuple[int, ...]
    dynamic: bool


@dataclass(frozen=True)
class Memory:
    """Bytes that a run works with: what a loaded method keeps, its planned buffers, its delegates' scratch."""

    method: int
    planned: int
    temp: int


class Program:
    """A .pte, loaded. One thread at a time may use it.

    path:         the .pte, or its bytes.
    data:         the .ptd with its weights, where it has one.
    fast_scratch: bytes that delegates may use as region 2.
    raises:       StepError when it is not a .pte, damaged, or needs an operator that there is no kernel for.
    """

    def __init__(
        self, path: str | os.PathLike[str] | bytes, data: Path | None = None, fast_scratch: int = FAST_SCRATCH_BYTES
    ):
        self._library = _library()
        self._place = "<bytes>" if isinstance(path, bytes) else os.fspath(path)
        pte = path if isinstance(path, bytes) else _read(Path(path))
        ptd = _read(Path(data)) if data else b""
        self._handle = self._library.etb_open(pte, len(pte), ptd, len(ptd), fast_scratch)
        self._check(self._library.etb_status(self._handle))
        self.inputs = tuple(
            self._info(i, self._library.etb_input) for i in range(self._library.etb_inputs(self._handle))
        )
        self.outputs = tuple(
            self._info(i, self._library.etb_output) for i in range(self._library.etb_outputs(self._handle))
        )
        self.delegates = int(self._library.etb_delegates(self._handle))

    @property
    def memory(self) -> Memory:
        used = self._library.etb_memory_used(self._handle)
        return Memory(used.method, used.planned, used.temp)

    def run(self, *arrays: Array) -> tuple[Array, ...]:
        """The outputs for these inputs, in the program's order; the arrays are the caller's to keep.

        raises: UsageError for a wrong number, shape or type of inputs; StepError when an instruction fails.
        """
        import numpy as np

        if len(arrays) != len(self.inputs):
            raise UsageError(f"{self._place}: got {len(arrays)} inputs, wanted {len(self.inputs)}")
        for index, (array, info) in enumerate(zip(arrays, self.inputs, strict=True)):
            self._set_input(index, np.asarray(array), info)
        self._check(self._library.etb_run(self._handle))
        return tuple(self._output(index) for index in range(len(self.outputs)))

    def run_delegate(self, index: int, inputs: list[Array], dtypes: list[str]) -> tuple[Array, ...]:
        """One delegate alone: its outputs, flat, for its inputs.

        inputs: in its order, as many bytes as it takes; dtypes: numpy's name of each output's elements.
        """
        import numpy as np

        count = self._library.etb_delegate_inputs(self._handle, index)
        sizes = [
            self._library.etb_delegate_bytes(self._handle, index, i)
            for i in range(count + self._library.etb_delegate_outputs(self._handle, index))
        ]
        given = [np.ascontiguousarray(array) for array in inputs]
        got, wanted = [array.nbytes for array in given], sizes[:count]
        if got != wanted:
            raise UsageError(f"{self._place}: delegate {index}: got inputs of {got} bytes, wanted {wanted}")
        outputs = [
            np.empty(size // np.dtype(dtype).itemsize, dtype) for size, dtype in zip(sizes[count:], dtypes, strict=True)
        ]
        self._check(self._library.etb_run_delegate(self._handle, index, _pointers(given), _pointers(outputs)))
        return tuple(outputs)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.etb_close(self._handle)

    def _info(self, index: int, describe: Any) -> TensorInfo:
        value = _Value()
        self._check(describe(self._handle, index, ctypes.byref(value)))
        if value.kind == _TENSOR:
            order = tuple(value.order[: value.rank])
            return TensorInfo(_DTYPES[value.dtype], tuple(value.sizes[: value.rank]), order, bool(value.resizable))
        return TensorInfo(_SCALAR_DTYPES.get(value.kind, "none"), (), (), False)

    def _set_input(self, index: int, array: Array, info: TensorInfo) -> None:
        import numpy as np

        if array.dtype != info.dtype:
            raise UsageError(f"{self._place}: input {index}: got {array.dtype}, wanted {info.dtype}")
        fits = len(array.shape) == len(info.shape) and (info.dynamic or array.shape == info.shape)
        if not fits:
            most = "at most " if info.dynamic else ""
            raise UsageError(
                f"{self._place}: input {index}: got shape {list(array.shape)}, wanted {most}{list(info.shape)}"
            )
        packed = np.ascontiguousarray(array.transpose(info.dim_order) if info.dim_order else array)
        sizes = (ctypes.c_int32 * 8)(*array.shape)
        self._check(
            self._library.etb_set_input(
                self._handle, index, sizes, array.ndim, packed.ctypes.data_as(ctypes.c_void_p), packed.nbytes
            )
        )

    def _output(self, index: int) -> Array:
        import numpy as np

        value = _Value()
        self._check(self._library.etb_output(self._handle, index, ctypes.byref(value)))
        if value.kind > _REAL:
            raise StepError(f"{self._place}: output {index} is neither a tensor nor a number")
        raw = ctypes.string_at(value.data, value.bytes)
        if value.kind != _TENSOR:
            return np.frombuffer(raw, _SCALAR_DTYPES[value.kind])[0:1].reshape(()).copy()
        order = value.order[: value.rank]
        stored = np.frombuffer(raw, _DTYPES[value.dtype]).reshape([value.sizes[d] for d in order])
        return np.ascontiguousarray(stored.transpose(np.argsort(order))) if order else stored.copy()

    def _check(self, status: int) -> None:
        if status:
            message = self._library.etb_error(self._handle).decode(errors="replace")
            raise StepError(f"{self._place}: {message}")


class _Value(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("resizable", ctypes.c_int32),
        ("sizes", ctypes.c_int32 * 8),
        ("order", ctypes.c_int32 * 8),
        ("bytes", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
    )


class _Memory(ctypes.Structure):
    _fields_ = (("method", ctypes.c_uint64), ("planned", ctypes.c_uint64), ("temp", ctypes.c_uint64))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: got {error.strerror}, wanted a file") from error


def _pointers(arrays: list[Array]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


@functools.cache
def _library() -> Any:
    from etbuild.native import warm_library

    library = ctypes.CDLL(str(warm_library()))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    value = ctypes.POINTER(_Value)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "etb_open": (pointer, [ctypes.c_char_p, size, ctypes.c_char_p, size, size]),
        "etb_close": (None, [pointer]),
        "etb_status": (ctypes.c_int, [pointer]),
        "etb_error": (ctypes.c_char_p, [pointer]),
        "etb_memory_used": (_Memory, [pointer]),
        "etb_inputs": (size, [pointer]),
        "etb_outputs": (size, [pointer]),
        "etb_delegates": (size, [pointer]),
        "etb_input": (ctypes.c_int, [pointer, size, value]),
        "etb_output": (ctypes.c_int, [pointer, size, value]),
        "etb_set_input": (ctypes.c_int, [pointer, size, ctypes.POINTER(ctypes.c_int32), size, pointer, size]),
        "etb_run": (ctypes.c_int, [pointer]),
        "etb_delegate_inputs": (size, [pointer, size]),
        "etb_delegate_outputs": (size, [pointer, size]),
        "etb_delegate_bytes": (ctypes.c_uint64, [pointer, size, size]),
        "etb_run_delegate": (ctypes.c_int, [pointer, size, ctypes.POINTER(pointer), ctypes.POINTER(pointer)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
