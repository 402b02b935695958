"""Accesses to a page, done from outside and stepped over: what the processor has afterwards. No QEMU."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from etbuild.errors import StepError
from etbuild.virtual_npu.trap import Trap

if TYPE_CHECKING:
    from etbuild.virtual_npu.gdb_client import GdbClient

PAGE, CODE, MEMORY = 0x58102000, 0x1000, 0x20000000


@dataclass
class FakePage:
    """Answers its offsets plus 0x100; keeps what is written."""

    address: int = PAGE
    size: int = 0x1000
    reads: list[tuple[int, int]] = field(default_factory=list)
    writes: list[tuple[int, int, int]] = field(default_factory=list)
    problem: str = ""
    direct: int | None = None

    def read(self, offset: int, size: int) -> int:
        if self.problem:
            raise StepError(self.problem)
        self.reads.append((offset, size))
        return offset + 0x80 + 0x01020300

    def write(self, offset: int, size: int, value: int) -> None:
        self.writes.append((offset, size, value))


@dataclass
class FakeProcessor:
    """Registers, and memory by address."""

    values: dict[str, int]
    memory: dict[int, bytes]
    watched: list[tuple[int, int]] = field(default_factory=list)
    executed: list[bytes] = field(default_factory=list)

    def registers(self) -> tuple[int, ...]:
        names = [*(f"r{i}" for i in range(13)), "sp", "lr", "pc", "xpsr"]
        return tuple(self.values.get(name, 0) for name in names)

    def register(self, name: str) -> int:
        return self.values.get(name, 0)

    def set_register(self, name: str, value: int, size: int = 4) -> None:
        self.values[name] = value

    def read(self, address: int, size: int) -> bytes:
        base = max(at for at in self.memory if at <= address)
        return self.memory[base][address - base : address - base + size]

    def write(self, address: int, data: bytes) -> None:
        self.memory[address] = data

    def execute(self, instruction: bytes, limit_s: float, *values: int) -> None:
        self.executed.append(instruction)

    def insert(self, kind: int, size: int, *addresses: int) -> None:
        self.watched += [(address, size) for address in addresses]

    def remove(self, kind: int, size: int, *addresses: int) -> None:
        self.watched = [one for one in self.watched if one not in [(address, size) for address in addresses]]


def served(code: bytes, page: FakePage | None = None, memory: bytes = b"", **values: int) -> tuple[Any, FakePage]:
    """The processor after it stood at this instruction, and the page."""
    page = page or FakePage()
    processor = FakeProcessor({"pc": CODE, "xpsr": 1 << 24, **values}, {CODE: code, MEMORY: memory})
    Trap(cast("GdbClient", processor), [page]).serve()
    return processor.values, page


def test_a_load_sets_its_register_and_goes_on() -> None:
    """ldr r0, [r1, #4]"""
    values, page = served(b"\x48\x68", r1=PAGE)

    assert (values["r0"], values["pc"], page.reads) == (0x01020384, CODE + 2, [(4, 4)])


def test_a_store_passes_its_value() -> None:
    """str.w r0, [r1, #8]"""
    values, page = served(struct.pack("<HH", 0xF8C1, 0x0008), r0=3, r1=PAGE)

    assert (page.writes, values["pc"]) == ([(8, 4, 3)], CODE + 4)


def test_a_byte_and_a_signed_byte_have_their_size() -> None:
    """ldrb r0, [r1] and ldrsb r0, [r1, r2]; the page answers 0x80."""
    assert served(b"\x08\x78", r1=PAGE)[0]["r0"] == 0x80
    assert served(b"\x88\x56", r1=PAGE, r2=0)[0]["r0"] == 0xFFFFFF80


def test_a_base_that_is_written_back_moves() -> None:
    """str r0, [r1], #4"""
    values, page = served(struct.pack("<HH", 0xF841, 0x0B04), r0=7, r1=PAGE)

    assert (page.writes, values["r1"]) == ([(0, 4, 7)], PAGE + 4)


def test_several_registers_are_several_accesses_in_order() -> None:
    """ldmia r1!, {r2, r3} and strd r2, r3, [r1]"""
    values, page = served(b"\x0c\xc9", r1=PAGE + 8)
    assert (values["r2"], values["r3"], values["r1"]) == (0x01020388, 0x0102038C, PAGE + 16)
    assert page.reads == [(8, 4), (12, 4)]

    _, page = served(struct.pack("<HH", 0xE9C1, 0x2300), r1=PAGE, r2=2, r3=3)
    assert page.writes == [(0, 4, 2), (4, 4, 3)]


def test_what_lies_outside_the_page_is_memory() -> None:
    """ldmia r1, {r2, r3} over the end of a page."""
    values, page = served(b"\x0c\xc9", FakePage(MEMORY - 4, 4), memory=b"\x11\x22\x33\x44", r1=MEMORY - 4)

    assert (values["r2"], values["r3"], page.reads) == (0x01020380, 0x44332211, [(0, 4)])


def test_an_instruction_in_an_it_block_ends_its_part_of_the_block() -> None:
    """The processor does not, as its PC is moved by hand."""
    in_block = 1 << 24 | 0x0400 | 2 << 25  # IT[7:2] = 1, IT[1:0] = 2: two instructions are left

    values, _ = served(b"\x08\x68", r1=PAGE, xpsr=in_block)

    assert values["xpsr"] != in_block


def test_floating_point_registers_are_halves_of_wide_ones() -> None:
    """vldr s1, [r1] and vstr s1, [r1]"""
    values, _ = served(struct.pack("<HH", 0xEDD1, 0x0A00), r1=PAGE, d0=0xFFFFFFFF)
    assert values["d0"] == 0x01020380_FFFFFFFF

    _, page = served(struct.pack("<HH", 0xEDC1, 0x0A00), r1=PAGE, d0=0x5 << 32)
    assert page.writes == [(0, 4, 5)]


@pytest.mark.parametrize(
    ("code", "page", "problem"),
    [
        (b"\x00\xbf", FakePage(), "got the instruction 00bf, wanted a load or store that is known"),
        (b"\x08\x68", FakePage(0x48102000), "got an access to 0x58102000, wanted one of a page of registers"),
        (b"\x08\x68", FakePage(problem="NPU register 0x0: no"), "NPU register 0x0: no"),
    ],
    ids=["no load or store", "elsewhere", "refused by the page"],
)
def test_what_cannot_be_served_names_the_instructions_address(code: bytes, page: FakePage, problem: str) -> None:
    """And the one that is returned to."""
    with pytest.raises(StepError) as caught:
        served(code, page, r1=PAGE, lr=0x2001)

    assert str(caught.value) == f"the firmware at pc=0x00001000 (lr=0x00002001): {problem}"


def test_code_that_was_changed_is_read_again() -> None:
    """A firmware may load other code to the same address."""
    page = FakePage()
    processor = FakeProcessor({"pc": CODE, "r1": PAGE, "xpsr": 0}, {CODE: b"\x08\x68"})
    trap = Trap(cast("GdbClient", processor), [page])
    trap.serve()
    processor.values |= {"pc": CODE, "r1": 0, "r2": PAGE + 8}
    processor.memory[CODE] = b"\x10\x68"  # ldr r0, [r2]

    trap.serve()

    assert (page.reads, trap.accesses) == ([(0, 4), (8, 4)], 2)


def test_a_word_that_qemu_answers_itself_stops_nothing() -> None:
    """For as long as the page says so: here from the first store on. str r0, [r1]"""
    page = FakePage(size=0x100)
    processor = FakeProcessor({"pc": CODE, "xpsr": 1 << 24, "r1": PAGE}, {CODE: b"\x08\x60"})
    trap = Trap(cast("GdbClient", processor), [page])
    trap.insert()
    assert processor.watched == [(PAGE, 0x100)]

    page.direct = 0x1C
    trap.serve()
    assert processor.watched == [(PAGE, 0x1C), (PAGE + 0x20, 0xE0)]

    page.direct = 0
    processor.values["pc"] = CODE
    trap.serve()
    assert processor.watched == [(PAGE + 4, 0xFC)]

    page.direct = None
    processor.values["pc"] = CODE
    trap.serve()
    assert processor.watched == [(PAGE, 0x100)]


@pytest.mark.parametrize(("base", "wanted"), [(PAGE, [b"\x00\xbf"]), (MEMORY, [])])
def test_before_an_access_that_was_not_reported_the_processor_does_one_nop(base: int, wanted: list[bytes]) -> None:
    """QEMU may hold its report back because of another stop. ldr r0, [r1]; not where the access is to memory."""
    page = FakePage()
    processor = FakeProcessor({"pc": CODE, "xpsr": 1 << 24, "r1": base}, {CODE: b"\x08\x68", MEMORY: bytes(4)})

    Trap(cast("GdbClient", processor), [page]).settle()

    assert (processor.executed, page.reads, processor.values["pc"]) == (wanted, [], CODE)
