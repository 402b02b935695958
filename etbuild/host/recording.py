"""A whole run of a program with what every instruction and every NPU operation left. It compares nothing."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.host import abi
from etbuild.host.observation import Event, event_of
from etbuild.host.own_kernels import NO_KERNELS, OwnKernels
from etbuild.host.program import MEMORY_LIMIT, HostProgram
from etbuild.host.trace import Result, results_of
from etbuild.host.values import array_of
from etbuild.pte.methods import method_number
from etbuild.pte.program import DelegateCall, Indices, KernelCall, Tensor
from etbuild.pte.reader import parse

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.host.program import Array


@dataclass(frozen=True)
class Done:
    """A kernel or delegate that was run.

    events:  of the kernel, or of the delegate's operations.
    values:  its results. dtypes: PyTorch's name of each one's type.
    results: what a delegate's operations stored.
    """

    instruction: int
    events: tuple[Event, ...]
    values: tuple[Array, ...]
    dtypes: tuple[str, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Recording:
    """A run: its outputs, and its kernels and delegates in order."""

    outputs: tuple[Array, ...]
    done: tuple[Done, ...]


@dataclass(frozen=True)
class _Mark:
    """After an instruction: its results, and how many events and results of operations there are."""

    instruction: int
    values: tuple[Array, ...]
    dtypes: tuple[str, ...]
    events: int
    results: int


class RecordedProgram(HostProgram):
    """A program whose runs are recorded. memory_limit: bytes, also of what is recorded. method: as of HostProgram."""

    def __init__(
        self,
        path: Path,
        data: Path | None = None,
        memory_limit: int = MEMORY_LIMIT,
        kernels: OwnKernels = NO_KERNELS,
        method: str = "",
    ):
        super().__init__(path, data, memory_limit=memory_limit, kernels=kernels, method=method)
        program = parse(memoryview(path.read_bytes()), str(path))
        self.method = program.methods[method_number(program, method, str(path))]
        self._limit = memory_limit

    def record(self, *arrays: Array | float | None) -> Recording:
        """As `run`, slower.

        raises: as `run`, and StepError when there is too much to record.
        """
        marks: list[_Mark] = []
        room = self._limit

        def left(instruction: int) -> int:
            nonlocal room
            one = self._mark(instruction)
            room -= sum(value.nbytes for value in one.values)
            if room >= 0:
                marks.append(one)
            return int(room < 0)

        self._set_inputs(arrays)
        self._check(self._library.etb_record(self._handle, abi.Left(left)))
        if room < 0:
            raise StepError(
                f"{self._name}: got a run whose results take more than {self._limit} bytes, wanted at most that\n"
                "    etbuild run --memory-limit SIZE; in a recipe run: {memory_limit: SIZE}"
            )
        events = [event_of(one) for one in self._listed(self._library.etb_events)]
        results = list(results_of(self))
        done, event, result = [], 0, 0
        for one in marks:
            parts = tuple(events[event : one.events]), one.values, one.dtypes, tuple(results[result : one.results])
            done.append(Done(one.instruction, *parts))
            event, result = one.events, one.results
        return Recording(self._outputs(), tuple(done))

    def reached(self) -> Event | None:
        """The last operation or kernel that the last `record` has completed; None when there was none."""
        events = self._listed(self._library.etb_events)
        return event_of(events[-1]) if events else None

    def written(self, instruction: int) -> list[int]:
        """The values that an instruction writes, as indices of the value table: what follows a delegate's inputs; the
        last argument of a kernel, which is a list where it has several results."""
        call = self.method.chains[0].instructions[instruction]
        if isinstance(call, DelegateCall):
            return list(call.args[self._library.etb_delegate_inputs(self._handle, call.delegate) :])
        if not isinstance(call, KernelCall) or not call.args:
            return []
        last = self.method.values[call.args[-1]]
        if isinstance(last, Indices):
            return [item for item in last.items if item >= 0] if last.kind != "IntList" else []
        return [call.args[-1]]

    def _mark(self, instruction: int) -> _Mark:
        values, dtypes = [], []
        for index in self.written(instruction):
            value, info = abi.Value(), self.method.values[index]
            self._check(self._library.etb_value_at(self._handle, index, ctypes.byref(value)))
            if value.kind == abi.TENSOR and isinstance(info, Tensor) and (value.data or not value.bytes):
                values.append(array_of(value))
                dtypes.append(info.dtype)
        counts = []
        for function in (self._library.etb_events, self._library.etb_results):
            count = ctypes.c_size_t()
            function(self._handle, ctypes.byref(count))
            counts.append(count.value)
        return _Mark(instruction, tuple(values), tuple(dtypes), *counts)
