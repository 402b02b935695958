"""Runs a function for each sample of a data set, in a process a core, and prints how far it is. It knows no model."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import sys
import time
from collections.abc import Callable
from typing import Any

from etbuild.errors import EtbuildError, StepError
from etbuild.system.parent import ends_with_parent

# Seconds between two lines of progress.
PERIOD_S = 2.0
Work = Callable[[int], None]
_REMEDY = "    signal 9: mostly a lack of memory; 6 and 11: errors of native code, such as a kernel of yours"


def for_each_sample(numbers: range, work: Work, processes: int, doing: str) -> None:
    """Call `work` with each number; the samples before the first are done already.

    In this process and in order for one process, else in forks of this one.

    work:   its results must be in memory that the processes share.
    doing:  what is done to the samples, for the lines of progress.
    raises: StepError with the number of the first sample, of those that were tried, for which `work` raises one.
    """
    progress = _Progress(numbers, doing)
    if processes == 1 or len(numbers) < 2:
        for number in numbers:
            _one(work, number)
            progress.add()
    else:
        _forked(numbers, work, min(processes, len(numbers)), progress)
    progress.end()


def _forked(numbers: range, work: Work, processes: int, progress: _Progress) -> None:
    context = multiprocessing.get_context("fork")
    sys.stdout.flush()
    sys.stderr.flush()
    # Taken by whoever is free: samples need different times, and so do cores that others use too.
    following, errors = context.Value("l", numbers.start), list[tuple[int, str]]()
    prepare = ends_with_parent()
    pipes, running = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_take_samples, args=(prepare, (numbers.stop, following), work, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        running.append(process)
    try:
        while pipes:
            for pipe in multiprocessing.connection.wait(pipes):
                message = _received(pipe)
                if message is None:
                    pipes.remove(pipe)  # type: ignore[arg-type]
                elif isinstance(message, tuple):
                    errors.append(message)
                else:
                    progress.add()
    finally:
        for process in running:
            if pipes:
                process.kill()
            process.join()
    if errors:
        raise StepError(min(errors)[1])
    ended = [process.exitcode for process in running if process.exitcode]
    if ended:
        how = f"signal {-ended[0]}" if ended[0] < 0 else f"exit code {ended[0]}"
        raise StepError(f"{progress.doing}: got a process that ended with {how}, wanted all samples\n{_REMEDY}")


def _received(pipe: Any) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return None


def _take_samples(prepare: Callable[[], None], share: tuple[int, Any], work: Work, pipe: Any) -> None:
    """In a fork. share: where the samples end, and the next one, which all forks share."""
    prepare()
    end, following = share
    while True:
        with following.get_lock():
            number = following.value
            following.value = number + 1
        if number >= end:
            return
        try:
            _one(work, number)
        except EtbuildError as error:
            following.value = end
            pipe.send((number, str(error)))
            return
        pipe.send(number)


def _one(work: Work, number: int) -> None:
    try:
        work(number)
    except EtbuildError as error:
        raise StepError(f"sample {number}: {error}") from error
    except Exception as error:  # of an operator of the user, or of PyTorch: no traceback of ours
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise StepError(f"sample {number}: got {type(error).__name__}: {first_line}") from error


class _Progress:
    """Lines such as "executed: 128 of 360 samples, 45.1/s, 5 s left", and one at the end."""

    def __init__(self, numbers: range, doing: str):
        self._count, self.doing, self._done = numbers.stop, doing, numbers.start
        self._begin = self._printed = time.monotonic()

    def add(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._printed >= PERIOD_S and self._done < self._count:
            self._printed = now
            rate = self._done / (now - self._begin)
            left = (self._count - self._done) / rate
            print(f"{self.doing}: {self._done} of {self._count} samples, {rate:.1f}/s, {left:.0f} s left", flush=True)

    def end(self) -> None:
        seconds = time.monotonic() - self._begin
        print(f"{self.doing}: {self._count} samples in {seconds:.1f} s", flush=True)
