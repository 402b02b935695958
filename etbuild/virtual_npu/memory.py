"""The memory of a machine as its NPU sees it, and the executor that runs command streams on it.

Memory that QEMU shares is used where it lies. Of other memory the parts that a stream touches are copied before it
touches them, and copied back after it if it wrote them; the processor is stopped meanwhile.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from etbuild.host import abi
from etbuild.host.stream import SPACE, Window
from etbuild.virtual_npu.device import Job, Outcome
from etbuild.virtual_npu.packets import AnswerTimeoutError

PART = 4096
_FAULTS = {
    abi.BUS_FAULT: "bus",
    abi.PARSE_FAULT: "parse",
    abi.BRANCH_FAULT: "branch",
    abi.WEIGHT_FAULT: "weights",
}
_COMMANDS = 0


@dataclass(frozen=True)
class Range:
    """Memory that the NPU reaches. address: as the NPU sees it. source: as the processor sees it."""

    address: int
    size: int
    source: int

    @property
    def end(self) -> int:
        """The NPU's address after its last byte."""
        return self.address + self.size


@dataclass(frozen=True)
class Shared:
    """Memory that QEMU shares as an open file. address: as the processor sees it."""

    file: int
    address: int
    size: int


class Source(Protocol):
    """Access to memory that is not shared, by the processor's addresses."""

    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...


@dataclass
class _Copy:
    """A copy of memory that is not shared, by parts. file: has it from `skew` on. present, dirty: numbers of parts."""

    source: int
    size: int
    file: int
    skew: int
    present: set[int] = field(default_factory=set)
    dirty: set[int] = field(default_factory=set)


class GuestMemory:
    """Runs jobs on the ranges of a machine's memory. Two ranges with the same source are one memory.

    secure:   the bit of an address that only a secure NPU may use, 0 for none.
    deadline: of the monotonic clock, when a job that still runs is given up.
    raises:   StepError if the host refuses memory; AnswerTimeoutError after the deadline; what the source raises.
    """

    def __init__(self, ranges: Sequence[Range], shared: Shared | None, source: Source, secure: int = 0) -> None:
        self._ranges = tuple(sorted(ranges, key=lambda one: one.address))
        self._source, self._secure = source, secure
        self._refused = 0  # the bit that the job's NPU may not use
        self.deadline = float("inf")
        self._copies: dict[int, _Copy] = {}
        self._window = Window()
        try:
            for one in self._ranges:
                self._map(one, shared)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give all memory back."""
        self._window.close()
        for copy in self._copies.values():
            os.close(copy.file)
        self._copies.clear()

    def run(self, job: Job) -> Outcome:
        """Execute a command stream."""
        self._refused = 0 if job.secure else self._secure
        try:
            got = self._window.run(job.config, (job.stream, job.stream_bytes), job.bases, self._touch)
        finally:
            self._bring_back()
        fault = _FAULTS.get(got.kind, "")
        at = ""
        if fault == "bus":
            secret = got.address & self._refused
            at = f" at {got.address:#x}" + (", which is secure: the NPU is not (PROT)" if secret else "")
        return Outcome(
            fault=fault,
            text=got.text + at,
            channel=got.channel,
            region=None if got.channel == _COMMANDS else got.region,
            read=got.read,
            stopped=got.kind == abi.STOPPED,
            irq_mask=got.irq_mask,
            macs=got.macs,
            reads=got.bytes_read,
            writes=got.bytes_written,
        )

    def _map(self, one: Range, shared: Shared | None) -> None:
        if one.end > SPACE:
            return
        # Files are mapped in whole pages.
        skew = one.address % mmap.PAGESIZE
        offset = one.source - shared.address if shared else -1
        if shared and 0 <= offset <= shared.size - one.size and offset % mmap.PAGESIZE == skew:
            self._window.map(one.address - skew, one.size + skew, shared.file, offset - skew)
            return
        copy = self._copies.get(one.source)
        if copy is None:
            copy = _Copy(one.source, one.size, os.memfd_create("npu", os.MFD_CLOEXEC), skew)
            self._copies[one.source] = copy
            os.ftruncate(copy.file, one.size + skew)
        self._window.map(one.address - skew, copy.size + skew, copy.file, 0)

    def _touch(self, address: int, size: int, writes: bool) -> bool:
        if time.monotonic() > self.deadline:
            raise AnswerTimeoutError("NPU: a job was not done in time")
        at, end = address, address + size
        if (at | (end - 1)) & self._refused:
            return False
        for one in self._ranges:
            if one.address <= at < one.end:
                part = min(end, one.end) - at
                if one.source in self._copies:
                    self._bring(self._copies[one.source], at - one.address, part, writes)
                at += part
            if at >= end:
                return True
        return False

    def _bring(self, copy: _Copy, offset: int, size: int, writes: bool) -> None:
        parts = range(offset // PART, -(-(offset + size) // PART))
        for first, last in _runs(part for part in parts if part not in copy.present):
            begin, end = first * PART, min((last + 1) * PART, copy.size)
            os.pwrite(copy.file, self._source.read(copy.source + begin, end - begin), copy.skew + begin)
        copy.present.update(parts)
        if writes:
            copy.dirty.update(parts)

    def _bring_back(self) -> None:
        for copy in self._copies.values():
            for first, last in _runs(iter(sorted(copy.dirty))):
                begin, end = first * PART, min((last + 1) * PART, copy.size)
                self._source.write(copy.source + begin, os.pread(copy.file, end - begin, copy.skew + begin))
            copy.dirty.clear()
            copy.present.clear()


def _runs(numbers: Iterator[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers, which grow."""
    first = last = -1
    for number in numbers:
        if first < 0:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last
