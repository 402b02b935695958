"""Runs many samples on several threads, each with a loaded program of its own. It judges no output.

with ParallelPrograms(lambda: HostProgram("model.pte")) as programs:
    for outputs in programs.run(samples):
        ...
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from etbuild.system.processors import processors

if TYPE_CHECKING:
    from types import TracebackType

    from etbuild.host.program import Array, HostProgram

Result = TypeVar("Result")
Inputs = Sequence[Any]

# Samples that wait for a thread, for each thread: enough that none is idle, few of a data set in memory.
_WAITING = 2


class ParallelPrograms:
    """Loaded programs of one kind, one for each thread; the emulator's decoded weights are shared by all.

    load:    loads one; also called by another thread. Its memory limit holds for each.
    threads: the most that run at once; 0 for the number of processors. Programs are loaded when they are needed. One
             that keeps state has one thread, and gets the samples in their order.
    raises:  what `load` raises.
    """

    def __init__(self, load: Callable[[], HostProgram], threads: int = 0):
        self.first = load()
        """A program for questions about inputs and outputs, while nothing runs."""
        self.threads = 1 if self.first.keeps_state else threads or processors()
        self._load = load
        self._idle: queue.SimpleQueue[HostProgram] = queue.SimpleQueue()
        self._idle.put(self.first)
        self._executor = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def __enter__(self) -> ParallelPrograms:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor:
            self._executor.shutdown(cancel_futures=True)

    def run(self, samples: Iterable[Inputs]) -> Iterator[tuple[Array, ...]]:
        """The outputs of each sample, in the order of the samples; see `HostProgram.run`.

        samples: the inputs of each; taken one after the other, a few before their outputs are asked for.
        raises:  when it comes to a sample, what its run raised.
        """
        return self.each(lambda program, inputs: program.run(*inputs), samples)

    def each(self, work: Callable[[HostProgram, Inputs], Result], samples: Iterable[Inputs]) -> Iterator[Result]:
        """What `work` returns for each sample, in their order. It is called by several threads, each with a program
        that no other uses meanwhile."""
        if self._executor is None:
            yield from (work(self.first, sample) for sample in samples)
            return
        started: deque[Future[Result]] = deque()
        try:
            for sample in samples:
                started.append(self._executor.submit(self._one, work, sample))
                if len(started) > self.threads * _WAITING:
                    yield started.popleft().result()
            while started:
                yield started.popleft().result()
        finally:
            for future in started:
                future.cancel()

    def _one(self, work: Callable[[HostProgram, Inputs], Result], sample: Inputs) -> Result:
        try:
            program = self._idle.get_nowait()
        except queue.Empty:
            program = self._load()
        try:
            return work(program, sample)
        finally:
            self._idle.put(program)
