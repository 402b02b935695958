"""The memory that an NPU sees: what is shared is used in place, of the rest only what a stream touches is moved."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from etbuild.hardware.boards import board_file, load_board
from etbuild.virtual_npu.device import Job
from etbuild.virtual_npu.machines import machine_of
from etbuild.virtual_npu.memory import PART, GuestMemory, Range, Shared
from etbuild.virtual_npu.packets import AnswerTimeoutError

pytestmark = pytest.mark.e2e

DDR, SRAM, ALIAS, BYTES = 0x70000000, 0x31000000, 0x21000000, 0x100000
STREAM = DDR
STOP = 0xFFFF0000
CONFIG = 0x1807


def copy_stream(length: int) -> bytes:
    """A DMA of this many bytes from the start of region 0 to that of region 1."""
    words = [0x130 | 0 << 16, 0x131 | 1 << 16]
    for register, value in ((48, 0), (49, 0), (50, length)):
        words += [0x4000 | register, value]
    return struct.pack(f"<{len(words) + 2}I", *words, 0x10, STOP)


@dataclass
class Sram:
    """Memory that is not shared, and what was moved of it."""

    data: bytearray = field(default_factory=lambda: bytearray(BYTES))
    reads: list[tuple[int, int]] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)

    def read(self, address: int, size: int) -> bytes:
        self.reads.append((address, size))
        return bytes(self.data[address - SRAM : address - SRAM + size])

    def write(self, address: int, data: bytes) -> None:
        self.writes.append((address, len(data)))
        self.data[address - SRAM : address - SRAM + len(data)] = data


@dataclass
class Case:
    ddr: mmap.mmap
    sram: Sram
    memory: GuestMemory

    def copy(self, source: int, target: int, length: int, secure: bool = True):  # type: ignore[no-untyped-def]
        stream = copy_stream(length)
        begin = STREAM
        self.ddr[: len(stream)] = stream
        if not secure:
            begin, self.sram.data[: len(stream)] = ALIAS, stream
        return self.memory.run(Job(CONFIG, begin, len(stream), (source, target, *[0] * 6), secure))


@pytest.fixture
def case() -> Iterator[Case]:
    file = os.memfd_create("ddr")
    os.ftruncate(file, BYTES)
    ddr, sram = mmap.mmap(file, BYTES), Sram()
    ranges = [Range(DDR, BYTES, DDR), Range(SRAM, BYTES, SRAM), Range(ALIAS, BYTES, SRAM)]
    memory = GuestMemory(ranges, Shared(file, DDR, BYTES), sram, 1 << 28)
    yield Case(ddr, sram, memory)
    memory.close()
    ddr.close()
    os.close(file)


def test_shared_memory_is_used_where_it_lies(case: Case) -> None:
    """Nothing is moved."""
    case.ddr[0x1000:0x1100] = bytes(range(256))

    outcome = case.copy(DDR + 0x1000, DDR + 0x2000, 256)

    assert (outcome.fault, case.ddr[0x2000:0x2100]) == ("", bytes(range(256)))
    assert (case.sram.reads, case.sram.writes) == ([], [])


def test_only_the_parts_that_a_stream_touches_are_moved(case: Case) -> None:
    """Read before the stream needs them, written back if it wrote them."""
    case.sram.data[0x5010:0x5110] = bytes(range(256))

    case.copy(SRAM + 0x5010, SRAM + 0x80FF0, 256)

    assert case.sram.data[0x80FF0:0x810F0] == bytes(range(256))
    assert case.sram.reads == [(SRAM + 0x5000, PART), (SRAM + 0x80000, 2 * PART)]
    assert case.sram.writes == [(SRAM + 0x80000, 2 * PART)]


def test_each_job_sees_what_the_processor_has_written_since(case: Case) -> None:
    """No copy outlives a job."""
    for byte in (b"a", b"b"):
        case.sram.data[:64] = byte * 64
        case.copy(SRAM, DDR + 0x2000, 64)
        assert case.ddr[0x2000:0x2040] == byte * 64


def test_both_addresses_of_a_memory_are_one_memory(case: Case) -> None:
    """Secure and non-secure: a stream that reads by one and writes by the other sees its own results."""
    case.sram.data[:128] = bytes(range(128))

    case.copy(ALIAS, SRAM + 32, 64)

    assert case.sram.data[32:96] == bytes(range(64))


@pytest.mark.parametrize(
    ("source", "target", "channel"),
    [(0x30000000, DDR + 0x2000, 4), (DDR, 0x10000000, 9), (DDR + BYTES - 32, SRAM, 4), (DDR, 1 << 33, 9)],
    ids=["from a TCM", "to a TCM", "over the end", "far away"],
)
def test_memory_that_the_npu_cannot_reach_is_a_bus_fault(case: Case, source: int, target: int, channel: int) -> None:
    """4 reads for a DMA, 9 writes."""
    outcome = case.copy(source, target, 64)

    assert (outcome.fault, outcome.channel, outcome.region) == ("bus", channel, 0 if channel == 4 else 1)


def test_a_stream_outside_memory_is_a_bus_fault_of_no_region(case: Case) -> None:
    """Channel 0."""
    outcome = case.memory.run(Job(CONFIG, 0x1000, 64, (0,) * 8))

    assert (outcome.fault, outcome.channel, outcome.region) == ("bus", 0, None)


def test_a_job_that_is_not_done_in_time_is_given_up(case: Case) -> None:
    """A hostile stream may ask for a day of work; the deadline is looked at before each access."""
    case.memory.deadline = time.monotonic() - 1

    with pytest.raises(AnswerTimeoutError, match="NPU: a job was not done in time"):
        case.copy(DDR, DDR + 0x2000, 64)


def test_the_npu_of_corstone_300_reaches_sram_and_ddr_but_no_tcm() -> None:
    """What the board's file says, and the same SRAM at its non-secure address."""
    file = board_file("corstone-300")
    assert file is not None
    board = load_board(file)

    assert list(machine_of(board).ranges(board)) == [
        Range(0x31000000, 2 << 20, 0x31000000),
        Range(0x21000000, 2 << 20, 0x31000000),
        Range(0x70000000, 256 << 20, 0x70000000),
    ]


@pytest.mark.parametrize(
    ("source", "target", "place"), [(DDR, ALIAS, "0x70000000"), (ALIAS + 0x1000, SRAM, "0x31000000")]
)
def test_a_non_secure_npu_reaches_no_secure_address(case: Case, source: int, target: int, place: str) -> None:
    """Neither to read nor to write, though the memory is there; the message says why."""
    outcome = case.copy(source, target, 64, secure=False)

    assert (outcome.fault, outcome.text.split(" at ")[1]) == ("bus", f"{place}, which is secure: the NPU is not (PROT)")
    assert case.sram.writes == []


def test_a_non_secure_npu_uses_non_secure_addresses(case: Case) -> None:
    """The same memory by its other address."""
    outcome = case.copy(ALIAS + 0x1000, ALIAS + 0x2000, 64, secure=False)

    assert (outcome.fault, [address for address, _ in case.sram.writes]) == ("", [SRAM + 0x2000])
