"""The texts in a firmware's ELF file, by the number that stands for each. It reads 32-bit little-endian files only."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_SECTION = struct.Struct("<10I")
_HAS_BYTES = 1  # SHT_PROGBITS
_LONGEST = 200


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    address: int
    data: bytes


class Texts:
    """What base/log.h keeps beside the image, and constant texts in it. A damaged file has none."""

    def __init__(self, file: Path) -> None:
        try:
            self._sections = _sections(file.read_bytes())
        except (OSError, struct.error, ValueError):
            self._sections = []

    def at(self, number: int) -> str:
        """The text at an offset in .texts, or at an address of the image."""
        for section in self._sections:
            beside = section.name == ".texts"
            offset = number if beside else number - section.address
            if (beside or section.address) and 0 <= offset < len(section.data):
                text = section.data[offset : offset + _LONGEST].split(b"\0", 1)[0]
                return text.decode("utf-8", "replace")
        return f"text {number:#x}"


def _sections(elf: bytes) -> list[_Section]:
    """.texts first: its offsets are no addresses of the image."""
    if elf[:6] != b"\x7fELF\x01\x01":
        raise ValueError("not a 32-bit little-endian ELF file")
    start = struct.unpack_from("<I", elf, 0x20)[0]
    size, count, names_at = struct.unpack_from("<3H", elf, 0x2E)
    rows = [_SECTION.unpack_from(elf, start + number * size) for number in range(count)]
    names = elf[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    found = [
        _Section(names[row[0] :].split(b"\0", 1)[0].decode(), row[1], row[3], elf[row[4] : row[4] + row[5]])
        for row in rows
        if row[1] == _HAS_BYTES
    ]
    return sorted(found, key=lambda section: section.name != ".texts")
