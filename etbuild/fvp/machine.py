"""QEMU's mps3-an547 as Corstone-300: its memories, and the arguments that start it. It starts nothing.

Its UARTs and the console of semihosting write into pipes, which QEMU opens by their paths.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.errors import UsageError
from etbuild.fvp.console import SEMIHOSTING
from etbuild.fvp.parameters import UARTS

if TYPE_CHECKING:
    from etbuild.fvp.command_line import Order

MACHINE = "mps3-an547"


class Memory(NamedTuple):
    """A memory of the machine. secure: its address seen by secure code, None if it has only the one. npu: as there."""

    name: str
    address: int
    size: int
    secure: int | None = None
    npu: bool = True

    def holds(self, address: int, size: int) -> bool:
        """Whether all bytes are in it, at either address."""
        starts = (self.address,) if self.secure is None else (self.address, self.secure)
        return any(start <= address and address + size <= start + self.size for start in starts)


MEMORIES = (
    Memory("ITCM", 0x00000000, 512 << 10, 0x10000000, npu=False),
    Memory("SRAM", 0x01000000, 2 << 20, 0x11000000),
    Memory("DTCM", 0x20000000, 512 << 10, 0x30000000, npu=False),
    Memory("ISRAM", 0x21000000, 4 << 20, 0x31000000),
    Memory("QSPI", 0x28000000, 8 << 20, 0x38000000),
    Memory("DDR", 0x60000000, 2 << 30),
)

_ELF_MAGIC, _HEX_START = b"\x7fELF", b":"
_ELF_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIIIIIII")
_LOAD, _ARM = 1, 40


def check_images(order: Order) -> None:
    """raises: UsageError for a file that is no image, and for bytes that the machine has no memory for."""
    for path in order.images:
        for address, size in _segments(order.program, path):
            _check_place(f"{order.program}: {path.name}", address, size)
    for data in order.data:
        _check_place(f"{order.program}: --data: {data.file.name}", data.address, data.file.stat().st_size)


def _check_place(place: str, address: int, size: int) -> None:
    if size and not any(memory.holds(address, size) for memory in MEMORIES):
        known = ", ".join(f"{one.name} {one.address:#010x} ({one.size >> 10} KiB)" for one in MEMORIES)
        raise UsageError(
            f"{place}: got {size:,} bytes at {address:#010x}, wanted them in a memory of QEMU's {MACHINE}\n"
            f"    it has {known}, and all but DDR also 0x10000000 above, for secure code"
        )


def _segments(program: str, path: Path) -> Iterator[tuple[int, int]]:
    """Physical address and size in memory of each segment that is loaded; nothing for Intel HEX."""
    content = path.read_bytes()
    if content.startswith(_HEX_START):
        return
    problem = UsageError(f"{program}: -a: got {path}, wanted an ELF file for Arm, or Intel HEX")
    if not content.startswith(_ELF_MAGIC) or len(content) < _ELF_HEADER.size:
        raise problem
    _, _, machine, _, _, offset, _, _, _, entry_size, count, *_ = _ELF_HEADER.unpack_from(content)
    if machine != _ARM or entry_size != _PROGRAM_HEADER.size or offset + count * entry_size > len(content):
        raise problem
    for i in range(count):
        kind, _, _, physical, _, memory_size, _, _ = _PROGRAM_HEADER.unpack_from(content, offset + i * entry_size)
        if kind == _LOAD:
            yield physical, memory_size


def arguments(order: Order, pipes: Mapping[str, str]) -> list[str]:
    """QEMU's arguments, without its program and without those of a debugger.

    pipes: the path to write to, by "uart0"... and "semihosting".
    """
    words = ["-machine", MACHINE, "-display", "none", "-monitor", "none", "-icount", "shift=0,align=off,sleep=off"]
    for i in range(UARTS):
        name = f"uart{i}"
        if name in pipes:
            words += ["-chardev", f"file,id={name},path={pipes[name]}", "-serial", f"chardev:{name}"]
        else:
            words += ["-serial", "null"]
    if order.flag("cpu0.semihosting-enable"):
        words += ["-chardev", f"file,id={SEMIHOSTING},path={pipes[SEMIHOSTING]}"]
        words += ["-semihosting-config", _semihosting(order.text("cpu0.semihosting-cmd_line"))]
        # The image may open files, as on the FVP, but start no program.
        words += ["-sandbox", "on,spawn=deny"]
    first, *others = order.images
    if first.read_bytes()[:1] == _HEX_START:
        others = [first, *others]
    else:
        words += ["-kernel", str(first)]
    for image in others:
        words += ["-device", f"loader,file={_escaped(str(image))}"]
    for data in order.data:
        words += ["-device", f"loader,file={_escaped(str(data.file))},addr={data.address:#x},force-raw=on"]
    return words


def _semihosting(command_line: str) -> str:
    """QEMU answers the calls itself; the command line is one argument, however many words it has."""
    given = f",arg={_escaped(command_line)}" if command_line else ""
    return f"enable=on,target=native,chardev={SEMIHOSTING}{given}"


def _escaped(text: str) -> str:
    """A value in one of QEMU's lists of options."""
    return text.replace(",", ",,")
