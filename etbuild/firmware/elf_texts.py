"""Strings in a firmware's ELF file, by the numbers that a firmware prints instead. Only 32-bit little-endian files.

Messages of the runtime (base/log.h) are in the section .texts, which is not loaded: a firmware prints their offset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_SECTION = struct.Struct("<10I")
_PROGBITS = 1  # SHT_PROGBITS: the section has bytes in the file.
_MAX_BYTES = 200


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    address: int
    data: bytes


class Texts:
    """The strings of one ELF file; of a damaged or missing file none are found."""

    def __init__(self, file: Path) -> None:
        try:
            self._sections = _sections(file.read_bytes())
        except (OSError, struct.error, ValueError):
            self._sections = []

    def at(self, number: int) -> str:
        """The string at an offset in .texts or at an address of the image; "text <number>" when there is none."""
        for section in self._sections:
            by_offset = section.name == ".texts"
            offset = number if by_offset else number - section.address
            if (by_offset or section.address) and 0 <= offset < len(section.data):
                text = section.data[offset : offset + _MAX_BYTES].split(b"\0", 1)[0]
                return text.decode("utf-8", "replace")
        return f"text {number:#x}"


def _sections(elf: bytes) -> list[_Section]:
    """The sections with bytes, .texts first, because its offsets are smaller than any address of the image.

    raises: ValueError for any other file, struct.error for a damaged one.
    """
    if elf[:6] != b"\x7fELF\x01\x01":
        raise ValueError("not a 32-bit little-endian ELF file")
    start = struct.unpack_from("<I", elf, 0x20)[0]
    size, count, names_at = struct.unpack_from("<3H", elf, 0x2E)
    rows = [_SECTION.unpack_from(elf, start + number * size) for number in range(count)]
    names = elf[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    found = [
        _Section(names[row[0] :].split(b"\0", 1)[0].decode(), row[1], row[3], elf[row[4] : row[4] + row[5]])
        for row in rows
        if row[1] == _PROGBITS
    ]
    return sorted(found, key=lambda section: section.name != ".texts")
