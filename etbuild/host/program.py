"""Run a .pte on the host, its delegates on an emulated NPU: `HostProgram(path).run(*arrays)`. It compiles nothing.

program = HostProgram("model.pte")
(logits,) = program.run(image)
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.errors import EtbuildError, StepError, UsageError
from etbuild.host import abi
from etbuild.host.observation import Event, Observation, event_of, hazard_of
from etbuild.host.own_kernels import NO_KERNELS, OwnKernels
from etbuild.host.values import TensorInfo, array_of, info_of, packed, scalar_input
from etbuild.pte.element_types import needs_all_types
from etbuild.pte.methods import first_delegate, method_number
from etbuild.pte.reader import parse

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FAST_SCRATCH_BYTES = 4 << 20
# The most that a .pte may ask for: its numbers are untrusted, and a microcontroller's program needs far less.
MEMORY_LIMIT = 2 << 30


@dataclass(frozen=True)
class Memory:
    """Bytes that a run needs: the loaded method, its planned buffers, the scratch of its delegates."""

    method: int
    planned: int
    temp: int


class _Chosen(NamedTuple):
    """The method to run, the names of all, the number of its first delegate in the program, whether it
    `needs_all_types`, and whether it changes a buffer."""

    number: int
    methods: tuple[str, ...]
    first_delegate: int
    needs_all_types: bool
    keeps_state: bool


class HostProgram:
    """A loaded .pte. One thread at a time may use it.

    path:         the .pte, or its bytes.
    data:         the .ptd with its weights, where it has one.
    fast_scratch: bytes that delegates may use as region 2.
    memory_limit: bytes, the most that the program may ask for altogether: what it is loaded into, its buffers, copies
                  of its outputs, and what `observe` records.
    kernels:      of the user, in place of those that come with etbuild.
    method:       the name of the method to run; "" for the first.
    raises:       StepError when it is not a .pte, damaged, asks for too much memory, or needs an operator without a
                  kernel; UsageError when a file cannot be read, or has no such method.
    """

    _delegate_call = "etb_run_delegate"

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes,
        data: Path | None = None,
        fast_scratch: int = FAST_SCRATCH_BYTES,
        memory_limit: int = MEMORY_LIMIT,
        kernels: OwnKernels = NO_KERNELS,
        method: str = "",
    ):
        self._name = "<bytes>" if isinstance(path, bytes) else os.fspath(path)
        pte = path if isinstance(path, bytes) else _read(Path(path))
        chosen = _chosen(pte, self._name, method)
        self.methods, self.first_delegate = chosen.methods, chosen.first_delegate
        self._library, self._handle = _opened((pte, chosen), data, (fast_scratch, memory_limit), kernels)
        self._check(self._library.etb_status(self._handle))
        inputs, outputs = self._library.etb_inputs(self._handle), self._library.etb_outputs(self._handle)
        self.inputs = tuple(self._info(index, self._library.etb_input) for index in range(inputs))
        self.outputs = tuple(self._info(index, self._library.etb_output) for index in range(outputs))
        self.delegates = int(self._library.etb_delegates(self._handle))
        self.keeps_state = chosen.keeps_state or bool(kernels.sources)
        """Whether a run may depend on those before it: the program changes a buffer, or has kernels of the user."""

    @property
    def memory(self) -> Memory:
        """Of the loaded program."""
        used = self._library.etb_memory_used(self._handle)
        return Memory(used.method, used.planned, used.temp)

    def run(self, *arrays: Array | float | None) -> tuple[Array, ...]:
        """The outputs for these inputs, in the program's order; the caller owns the arrays.

        arrays: for each input, or for each that is a tensor. None in place of a number is its own value.
        raises: UsageError for a wrong number, shape, type or value of inputs; StepError when an instruction fails.
        """
        self._set_inputs(arrays)
        self._check(self._library.etb_run(self._handle))
        return self._outputs()

    def observe(self, *arrays: Array | float | None, hazards: bool = False) -> Observation:
        """As `run`, slower, with an event per operation. hazards: also record which operation wrote each byte."""
        self._set_inputs(arrays)
        self._check(self._library.etb_observe(self._handle, hazards))
        return Observation(
            self._outputs(),
            tuple(event_of(one) for one in self._listed(self._library.etb_events)),
            tuple(hazard_of(one) for one in self._listed(self._library.etb_hazards)),
        )

    def run_delegate(self, index: int, inputs: list[Array], dtypes: list[str]) -> tuple[Array, ...]:
        """One delegate alone: its outputs, flat, for its inputs.

        inputs: in its order, of the sizes that it takes. dtypes: NumPy's name of each output's elements.
        raises: UsageError for inputs of other sizes; StepError when it has another number of outputs, or fails.
        """
        import numpy as np

        count = self._library.etb_delegate_inputs(self._handle, index)
        every = range(count + self._library.etb_delegate_outputs(self._handle, index))
        sizes = [self._library.etb_delegate_bytes(self._handle, index, number) for number in every]
        given = [np.ascontiguousarray(array) for array in inputs]
        got, wanted = [array.nbytes for array in given], sizes[:count]
        if got != wanted:
            raise UsageError(f"{self._name}: delegate {index}: got inputs of {got} bytes, wanted {wanted}")
        if len(dtypes) != len(sizes) - count:
            raise StepError(f"{self._name}: delegate {index}: got {len(sizes) - count} outputs, wanted {len(dtypes)}")
        outputs = [
            np.empty(size // np.dtype(dtype).itemsize, dtype) for size, dtype in zip(sizes[count:], dtypes, strict=True)
        ]
        call = getattr(self._library, self._delegate_call)
        self._check(call(self._handle, index, _pointers(given), _pointers(outputs)))
        return tuple(outputs)

    def writer(self, delegate: int, output: int, byte: int) -> Event | None:
        """The operation of the last `run_delegate` that wrote this byte of an output; None when none did."""
        number = self._library.etb_writer(self._handle, delegate, output, byte)
        events = [event_of(one) for one in self._listed(self._library.etb_events)]
        return next((event for event in events if event.operation == number), None)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.etb_close(self._handle)

    def _info(self, index: int, describe: Any) -> TensorInfo:
        value = abi.Value()
        self._check(describe(self._handle, index, ctypes.byref(value)))
        return info_of(value)

    def _listed(self, function: Any) -> Any:
        """The array that a function of the library returns together with its length."""
        count = ctypes.c_size_t()
        first = function(self._handle, ctypes.byref(count))
        return first[: count.value]

    def _set_inputs(self, arrays: Sequence[Array | float | None]) -> None:
        import numpy as np

        tensors = sum(info.is_tensor for info in self.inputs)
        if len(arrays) not in (len(self.inputs), tensors):
            fewer = f", or {tensors} without those that are no tensors" if tensors < len(self.inputs) else ""
            raise UsageError(f"{self._name}: got {len(arrays)} inputs, wanted {len(self.inputs)}{fewer}")
        given = iter(arrays)
        for index, info in enumerate(self.inputs):
            array = next(given) if info.is_tensor or len(arrays) > tensors else None
            if info.is_tensor:
                tensor = np.asarray(array)
                self._pass(index, tensor.shape, packed(tensor, info, f"{self._name}: input {index}"))
            elif (scalar := scalar_input(array, info, f"{self._name}: input {index}")) is not None:
                self._pass(index, (), scalar)

    def _outputs(self) -> tuple[Array, ...]:
        return tuple(self._output(index) for index in range(len(self.outputs)))

    def _pass(self, index: int, shape: tuple[int, ...], data: Array) -> None:
        """data: the elements in the order of memory."""
        sizes = (ctypes.c_int32 * len(shape))(*shape)
        pointer = data.ctypes.data_as(ctypes.c_void_p)
        self._check(self._library.etb_set_input(self._handle, index, sizes, len(shape), pointer, data.nbytes))

    def _output(self, index: int) -> Array:
        value = abi.Value()
        self._check(self._library.etb_output(self._handle, index, ctypes.byref(value)))
        if value.kind == abi.OTHER:
            raise StepError(f"{self._name}: output {index} is neither a tensor nor a number")
        return array_of(value)

    def _check(self, status: int) -> None:
        if status:
            message = self._library.etb_error(self._handle).decode(errors="replace")
            raise StepError(f"{self._name}: {message}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: got {error.strerror}, wanted a file") from error


def _opened(
    pte: tuple[bytes, _Chosen], data: Path | None, sizes: tuple[int, int], kernels: OwnKernels
) -> tuple[Any, Any]:
    """The library, and the handle of the program that it opened. sizes: as etb_open takes them."""
    (content, method), ptd = pte, _read(Path(data)) if data else b""
    library = loaded_library(method.needs_all_types)
    table = kernels.table(method.needs_all_types)
    return library, library.etb_open(content, len(content), ptd, len(ptd), *sizes, *table, method.number)


def _pointers(arrays: list[Array]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def _chosen(pte: bytes, name: str, method: str) -> _Chosen:
    """The method of that name. For a file that cannot be read the first: the library says what is wrong with it."""
    try:
        program = parse(memoryview(pte), name)
    except EtbuildError:
        return _Chosen(0, (), 0, False, False)
    number = method_number(program, method, name)
    methods = program.methods[number : number + 1]
    all_types = any(map(needs_all_types, methods))
    # The name of an operator that changes its argument ends so, as that of copy_, with which a new state is stored.
    state = any(operator.name.endswith("_") for method in methods for operator in method.operators)
    names = tuple(one.name for one in program.methods)
    return _Chosen(number, names, first_delegate(program, number), all_types, state)


@functools.cache
def loaded_library(all_types: bool) -> Any:
    """The host library with the signatures of its functions; built if the cache has none.

    all_types: with all element types, for a program that `needs_all_types`.
    """
    from etbuild.host.library import ALL_TYPES, warm_library

    library = ctypes.CDLL(str(warm_library(ALL_TYPES if all_types else ())))
    for name, (result, parameters) in abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, parameters
    return library
