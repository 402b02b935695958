"""Where a firmware waits: the addresses of WFI and WFE in the code of its ELF file."""

from __future__ import annotations

import struct
from pathlib import Path

_WAITS = (b"\x30\xbf", b"\x20\xbf")
_LOAD, _EXECUTE = 1, 1
# More breakpoints than that would cost more than they bring.
_MOST = 32


def wait_instructions(elf: Path) -> tuple[int, ...]:
    """Addresses of what looks like an instruction that waits; () for a file that is no ELF file, or has very many.

    A constant may look like one; it is never executed.
    """
    try:
        data = elf.read_bytes()
        found = [address for segment in _code(data) for address in _found(*segment)]
    except (OSError, struct.error):
        return ()
    return tuple(found) if len(found) <= _MOST else ()


def _code(elf: bytes) -> list[tuple[int, bytes]]:
    """Address and bytes of each segment that can be executed."""
    if elf[:6] != b"\x7fELF\x01\x01":
        return []
    start, (size, count) = struct.unpack_from("<I", elf, 0x1C)[0], struct.unpack_from("<2H", elf, 0x2A)
    segments = []
    for number in range(count):
        kind, offset, address, _, bytes_, _, flags = struct.unpack_from("<7I", elf, start + number * size)
        if kind == _LOAD and flags & _EXECUTE:
            segments.append((address, elf[offset : offset + bytes_]))
    return segments


def _found(address: int, code: bytes) -> list[int]:
    found = []
    for wait in _WAITS:
        at = code.find(wait)
        while at >= 0:
            if not at % 2 and not address % 2:
                found.append(address + at)
            at = code.find(wait, at + 1)
    return sorted(found)
