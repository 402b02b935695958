"""A client of a gdb stub, as small as QEMU's needs it: registers, memory, breakpoints and watchpoints."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.virtual_npu.gdb_link import GdbLink
from etbuild.virtual_npu.packets import AnswerTimeoutError

if TYPE_CHECKING:
    from etbuild.virtual_npu.packets import Stream

# Bytes of memory in one packet: QEMU announces 4,096 characters.
_MOST_HEX = 0x7F0
WATCH_ACCESS, BREAK_HARDWARE = 4, 1


class GdbClient(GdbLink):
    """A stopped processor. raises: as GdbLink."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._numbers: dict[str, int] = {}

    def start(self) -> None:
        """Ask for the description of the registers; QEMU's stub gives them one by one only after that."""
        self.ask(b"qSupported:xmlRegisters=arm;hwbreak+")
        target = self._document("target.xml")
        number = 0
        for part in re.findall(r'<xi:include href="([^"]+)"', target):
            for register in re.findall(r"<reg\s[^>]*>", self._document(part)):
                given = re.search(r'regnum="(\d+)"', register)
                number = int(given[1]) if given else number
                name = re.search(r'name="([^"]+)"', register)
                self._numbers[name[1] if name else ""] = number
                number += 1

    def registers(self) -> tuple[int, ...]:
        """r0 to r15, and xPSR."""
        data = self._bytes(self.ask(b"g")[0], 68)
        return tuple(int.from_bytes(data[at : at + 4], "little") for at in range(0, 68, 4))

    def register(self, name: str) -> int:
        """The value of a register by its name in the stub's description."""
        return int.from_bytes(self._bytes(self.ask(b"p%x" % self._number_of(name))[0], 1), "little")

    def set_register(self, name: str, value: int, size: int = 4) -> None:
        """size: of the register in bytes. The change goes with the next packet."""
        self.queue.append(b"P%x=%s" % (self._number_of(name), value.to_bytes(size, "little").hex().encode()))

    def read(self, address: int, size: int) -> bytes:
        """Bytes of memory as the processor sees it."""
        parts = list(_parts(address, size))
        answers = self.ask(*(b"m%x,%x" % part for part in parts))
        return b"".join(self._bytes(one, part[1])[: part[1]] for one, part in zip(answers, parts, strict=True))

    def write(self, address: int, data: bytes) -> None:
        """Change memory as the processor sees it."""
        parts = list(_parts(address, len(data)))
        texts = (data[at - address : at - address + size].hex().encode() for at, size in parts)
        answers = self.ask(*(b"M%x,%x:%s" % (*part, text) for part, text in zip(parts, texts, strict=True)))
        for answer, (at, _) in zip(answers, parts, strict=True):
            self.expect_ok(answer, f"memory at {at:#x}")

    def execute(self, instruction: bytes, limit_s: float, *values: int) -> None:
        """Let the processor do one instruction that is not in its code; then all is as before it.

        values: of r0, r1... for it. limit_s: a processor that sleeps does nothing in this time, in seconds.
        """
        before = self.registers()
        pc = before[15]
        code = self.read(pc, len(instruction))
        self.write(pc, instruction)
        for number, value in enumerate(values):
            self.set_register(f"r{number}", value)
        self.resume(step=True)
        try:
            self.wait(time.monotonic() + limit_s)
        except AnswerTimeoutError:
            self.interrupt()
            self.wait(time.monotonic() + self._stream.limit_s)
        for number in range(len(values)):
            self.set_register(f"r{number}", before[number])
        self.set_register("pc", pc)
        self.set_register("xpsr", before[16])
        self.write(pc, code)

    def insert(self, kind: int, size: int, *addresses: int) -> None:
        """Breakpoints or watchpoints."""
        self._set_breakpoints(b"Z", kind, size, addresses)

    def remove(self, kind: int, size: int, *addresses: int) -> None:
        """What `insert` did."""
        self._set_breakpoints(b"z", kind, size, addresses)

    def _set_breakpoints(self, command: bytes, kind: int, size: int, addresses: Sequence[int]) -> None:
        answers = self.ask(*(b"%s%x,%x,%x" % (command, kind, address, size) for address in addresses))
        for answer, address in zip(answers, addresses, strict=True):
            self.expect_ok(answer, f"a breakpoint at {address:#x}")

    def _document(self, name: str) -> str:
        text, more = "", True
        while more and len(text) < 1 << 20:
            (part,) = self.ask(b"qXfer:features:read:%s:%x,%x" % (name.encode(), len(text), _MOST_HEX))
            if part[:1] not in ("m", "l"):
                raise self.nonsense(part.encode("latin-1"), f"its {name}")
            text, more = text + part[1:], part[:1] == "m"
        return text

    def _number_of(self, name: str) -> int:
        if name not in self._numbers:
            raise StepError(f"{self.name}: got no register {name}, wanted one in its description")
        return self._numbers[name]

    def _bytes(self, answer: str, least: int) -> bytes:
        try:
            data = bytes.fromhex(answer)
        except ValueError:
            data = b""
        if len(data) < least:
            raise self.nonsense(answer[:40].encode("latin-1"), f"{least} bytes")
        return data


def _parts(address: int, size: int) -> Iterator[tuple[int, int]]:
    for at in range(address, address + size, _MOST_HEX):
        yield at, min(_MOST_HEX, address + size - at)
