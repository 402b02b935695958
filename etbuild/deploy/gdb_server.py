"""A client of a gdb server (QEMU, pyocd, OpenOCD, J-Link): loads an ELF file into RAM and starts it.

It writes no flash, and it debugs nothing. Protocol: the GDB manual, appendix "GDB Remote Serial Protocol".
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import StepError

# Of one answer, and of the connection.
LIMIT_S = 10.0
_CHUNK = 1024
_SP, _PC, _XPSR = 13, 15, 25
_THUMB = 1 << 24


class Segment(NamedTuple):
    """Bytes of an ELF file and the address that they are loaded to."""

    address: int
    data: bytes


class GdbServer:
    """A connection; the processor is stopped while it is open."""

    def __init__(self, where: str):
        """where: HOST:PORT. raises: StepError when no gdb server answers there."""
        self.where = where
        host, _, port = where.rpartition(":")
        try:
            self._socket = socket.create_connection((host.strip("[]"), int(port)), LIMIT_S)
        except OSError as error:
            remedy = "start it: pyocd gdbserver, openocd, JLinkGDBServer, or qemu-system-arm -gdb tcp::PORT"
            got = error.strerror or str(error)
            raise StepError(f"{where}: got `{got}`, wanted a gdb server\n    {remedy}") from None
        self._rest = b""
        try:
            self.ask("qSupported")
            # Some servers answer register packets only after their description was read.
            self.ask("qXfer:features:read:target.xml:0,ffb")
            self._expect("?", "ST", "a processor that is stopped")
        except BaseException:
            self._socket.close()
            raise

    def load(self, segments: list[Segment]) -> None:
        """Write segments into memory and compare what is there then.

        raises: StepError when the memory cannot be written, or is no RAM.
        """
        for address, data in segments:
            for at in range(0, len(data), _CHUNK):
                part, here = data[at : at + _CHUNK], address + at
                self._expect(f"M{here:x},{len(part):x}:{part.hex()}", "OK", f"memory at {here:#010x}")
            for at in range(0, len(data), _CHUNK):
                part, here = data[at : at + _CHUNK], address + at
                if self.ask(f"m{here:x},{len(part):x}").lower() != part.hex():
                    remedy = "a gdb server writes RAM; for flash take probe: {program: pyocd} or jlink"
                    got = f"other bytes at {here:#010x} than were written"
                    raise StepError(f"{self.where}: got {got}, wanted RAM\n    {remedy}")

    def start(self, entry: int, stack: int, reset: str) -> None:
        """Let the processor run, and leave it alone.

        entry, stack: its first instruction and stack pointer.
        reset:        a command of the server that resets it before; "" for none: its registers are set then.
        """
        if reset:
            self._command(reset)
        else:
            for register, value in ((_SP, stack), (_XPSR, _THUMB), (_PC, entry & ~1)):
                text = struct.pack("<I", value).hex()
                self._expect(f"P{register:x}={text}", "OK", f"register {register} written")
        # A server that ends with its client need not answer.
        with suppress(StepError):
            self.ask("D")

    def close(self) -> None:
        self._socket.close()

    def ask(self, packet: str) -> str:
        """The answer to a packet; "" when the server does not know it."""
        self._send(packet)
        return self._answer()

    def _command(self, text: str) -> None:
        """A command of the server's own; what it prints comes before the answer."""
        self._send(f"qRcmd,{text.encode().hex()}")
        answer = self._answer()
        while answer.startswith("O") and answer != "OK":
            answer = self._answer()
        if answer != "OK":
            got = f"{answer or 'an unknown command'} from `monitor {text}`"
            raise StepError(f"{self.where}: got {got}, wanted the processor reset\n    deploy.probe.reset of the board")

    def _expect(self, packet: str, answers: str, wanted: str) -> None:
        answer = self.ask(packet)
        if not (answer == answers if answers == "OK" else answer[:1] in answers and answer):
            raise StepError(f"{self.where}: got {answer or 'no such packet'} to {packet[:24]}, wanted {wanted}")

    def _send(self, packet: str) -> None:
        data = packet.encode("latin-1")
        with self._explained():
            self._socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def _answer(self) -> str:
        """The next packet, acknowledged; acknowledgements in between are dropped."""
        with self._explained():
            while not ((end := self._rest.find(b"#")) >= 0 and len(self._rest) >= end + 3):
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionResetError(0, "the connection closed")
                self._rest += data
            packet, self._rest = self._rest[:end], self._rest[end + 3 :]
            self._socket.sendall(b"+")
        return packet[packet.find(b"$") + 1 :].decode("latin-1")

    def _explained(self) -> _Explained:
        return _Explained(self.where)


class _Explained:
    """Turns what goes wrong with the connection into a message."""

    def __init__(self, where: str):
        self._where = where

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TimeoutError):
            remedy = "does another debugger use it?"
            raise StepError(
                f"{self._where}: got no answer within {LIMIT_S:g} s, wanted a gdb server\n    {remedy}"
            ) from None
        if isinstance(error, OSError):
            got = error.strerror or str(error)
            raise StepError(
                f"{self._where}: got `{got}` in the middle, wanted the gdb server\n    cable, probe, the server's log"
            ) from None


def segments(elf: Path) -> list[Segment]:
    """What is loaded of a 32-bit ELF file, at its physical addresses.

    raises: StepError for another file.
    """
    data = elf.read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        raise StepError(f"{elf}: got another file, wanted a 32-bit ELF file")
    return [Segment(address, data[at : at + size]) for address, at, size in _headers(data)]


def first_words(elf: Path, address: int) -> tuple[int, int]:
    """The first two words at an address, of a vector table: stack pointer and first instruction.

    raises: StepError when nothing is loaded there.
    """
    for start, data in segments(elf):
        if start <= address and address + 8 <= start + len(data):
            stack, entry = struct.unpack_from("<2I", data, address - start)
            return int(stack), int(entry)
    raise StepError(f"{elf}: got nothing at {address:#010x}, wanted a vector table")


def _headers(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Address, offset and size of each segment that is loaded."""
    try:
        table = struct.unpack_from("<I", data, 0x1C)[0]
        size, count = struct.unpack_from("<2H", data, 0x2A)
        for number in range(count):
            kind, at, _, address, length = struct.unpack_from("<5I", data, table + number * size)
            if kind == 1 and length:
                yield address, at, length
    except struct.error:
        raise StepError("got an ELF file that ends early, wanted a whole one") from None
