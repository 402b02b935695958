"""Run a .pte on the host, its delegates on an emulated NPU: `Program(path).run(*arrays)`. It compiles nothing.

program = Program("model.pte")
(logits,) = program.run(image)
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
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
class Event:
    """What one operation of an NPU, or one kernel of the CPU, did.

    name:     of the NPU's operation ("CONV") or the CPU's operator ("aten::add.out").
    delegate: None on the CPU, where all that follows `duration_ns` is empty.
    operation, word: number of the operation, and its place in the command stream (32-bit words).
    begin_ns: since some moment before the run; durations are the emulator's, not an NPU's.
    read, written: bytes by region: 0 weights, 1 scratch, 2 fast scratch.
    weights:  how many there are, and how many of them are 0.
    ifm, ifm2, ofm: height, width, depth; None where there is none.
    range:    least and largest of the result; None where it has none.
    """

    name: str
    instruction: int
    delegate: int | None
    operation: int
    word: int
    begin_ns: int
    duration_ns: int
    macs: int
    read: tuple[int, ...]
    written: tuple[int, ...]
    weights: tuple[int, int]
    ifm: tuple[int, ...] | None
    ifm2: tuple[int, ...] | None
    ofm: tuple[int, ...] | None
    range: tuple[int, int] | None


@dataclass(frozen=True)
class Hazard:
    """A read that looks wrong, in a delegate's stream.

    kind:    "never written", "overwritten" (a part of the tensor is another's by now) or "unread" (a result is read
             through a repeated dimension only). The last two are signs, not proofs.
    writer, victim: of "overwritten": who destroyed, and whose tensor it was; else None.
    """

    kind: str
    delegate: int
    operation: int
    region: int
    address: int
    writer: int | None
    victim: int | None

    def __str__(self) -> str:
        where = f"delegate {self.delegate}, operation {self.operation}: region {self.region}, byte {self.address:#x}"
        if self.kind == "overwritten":
            return f"{where}: reads the result of operation {self.victim}, overwritten by operation {self.writer}"
        return f"{where}: {'its result is mostly not read' if self.kind == 'unread' else 'reads what nothing wrote'}"


@dataclass(frozen=True)
class Observation:
    """A run's outputs, with what happened in it."""

    outputs: tuple[Array, ...]
    events: tuple[Event, ...]
    hazards: tuple[Hazard, ...]


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
        self._set_inputs(arrays)
        self._check(self._library.etb_run(self._handle))
        return self._outputs()

    def observe(self, *arrays: Array, hazards: bool = False) -> Observation:
        """As `run`, slower, with an event an operation; `hazards` follows who wrote every byte."""
        self._set_inputs(arrays)
        self._check(self._library.etb_observe(self._handle, hazards))
        return Observation(
            self._outputs(),
            tuple(_event(one) for one in self._listed(self._library.etb_events)),
            tuple(_hazard(one) for one in self._listed(self._library.etb_hazards)),
        )

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

    def writer(self, delegate: int, output: int, byte: int) -> Event | None:
        """The operation of the last `run_delegate` that wrote this byte of an output; None for none."""
        number = self._library.etb_writer(self._handle, delegate, output, byte)
        events = [_event(one) for one in self._listed(self._library.etb_events)]
        return next((event for event in events if event.operation == number), None)

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

    def _listed(self, function: Any) -> Any:
        count = ctypes.c_size_t()
        first = function(self._handle, ctypes.byref(count))
        return first[: count.value]

    def _set_inputs(self, arrays: Sequence[Array]) -> None:
        import numpy as np

        if len(arrays) != len(self.inputs):
            raise UsageError(f"{self._place}: got {len(arrays)} inputs, wanted {len(self.inputs)}")
        for index, (array, info) in enumerate(zip(arrays, self.inputs, strict=True)):
            self._set_input(index, np.asarray(array), info)

    def _outputs(self) -> tuple[Array, ...]:
        return tuple(self._output(index) for index in range(len(self.outputs)))

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
            return np.frombuffer(raw, _SCALAR_DTYPES[value.kind]).reshape(()).copy()
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


_TRIPLE = ctypes.c_int32 * 3
_REGIONS = ctypes.c_uint64 * 8


class _Event(ctypes.Structure):
    _fields_ = (
        ("instruction", ctypes.c_int32),
        ("delegate", ctypes.c_int32),
        ("operation", ctypes.c_uint32),
        ("word", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("overload", ctypes.c_char_p),
        ("begin_ns", ctypes.c_uint64),
        ("duration_ns", ctypes.c_uint64),
        ("macs", ctypes.c_uint64),
        ("read", _REGIONS),
        ("written", _REGIONS),
        ("weights", ctypes.c_uint64),
        ("zero_weights", ctypes.c_uint64),
        ("min", ctypes.c_int64),
        ("max", ctypes.c_int64),
        ("elements", ctypes.c_uint64),
        ("ifm", _TRIPLE),
        ("ifm2", _TRIPLE),
        ("ofm", _TRIPLE),
    )


class _Hazard(ctypes.Structure):
    _fields_ = (
        ("delegate", ctypes.c_int32),
        ("kind", ctypes.c_int32),
        ("region", ctypes.c_int32),
        ("operation", ctypes.c_uint32),
        ("writer", ctypes.c_uint32),
        ("victim", ctypes.c_uint32),
        ("address", ctypes.c_int64),
    )


def _event(raw: Any) -> Event:
    name = ".".join(part.decode(errors="replace") for part in (raw.name, raw.overload) if part)
    ifm, ifm2, ofm = (tuple(shape) if any(shape) else None for shape in (raw.ifm, raw.ifm2, raw.ofm))
    return Event(
        name,
        raw.instruction,
        None if raw.delegate < 0 else raw.delegate,
        raw.operation,
        raw.word,
        raw.begin_ns,
        raw.duration_ns,
        raw.macs,
        tuple(raw.read),
        tuple(raw.written),
        (raw.weights, raw.zero_weights),
        ifm,
        ifm2,
        ofm,
        (raw.min, raw.max) if raw.elements else None,
    )


def _hazard(raw: Any) -> Hazard:
    overwritten = raw.kind == 1
    return Hazard(
        ("never written", "overwritten", "unread")[raw.kind],
        raw.delegate,
        raw.operation,
        raw.region,
        raw.address,
        raw.writer if overwritten else None,
        raw.victim if overwritten else None,
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
    from etbuild.host.library import warm_library

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
        "etb_observe": (ctypes.c_int, [pointer, ctypes.c_int]),
        "etb_events": (ctypes.POINTER(_Event), [pointer, ctypes.POINTER(size)]),
        "etb_hazards": (ctypes.POINTER(_Hazard), [pointer, ctypes.POINTER(size)]),
        "etb_writer": (ctypes.c_int64, [pointer, size, size, ctypes.c_uint64]),
        "etb_delegate_inputs": (size, [pointer, size]),
        "etb_delegate_outputs": (size, [pointer, size]),
        "etb_delegate_bytes": (ctypes.c_uint64, [pointer, size, size]),
        "etb_run_delegate": (ctypes.c_int, [pointer, size, ctypes.POINTER(pointer), ctypes.POINTER(pointer)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
