"""The segments of a firmware's ELF file as a loader sees them, and whether the board's loader can load them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.hardware.board_console import Loader

_LOAD = 1


class Segment(NamedTuple):
    """A segment that is loaded. address: where it runs. load: where it is put. file_bytes: what the file has of it."""

    address: int
    load: int
    file_bytes: int
    bytes: int


def entry_address(elf: Path) -> int:
    """Where the firmware starts, with bit 0 for Thumb; 0 for a file that is none, which a simulator refuses."""
    try:
        head = elf.read_bytes()[:0x1C]
        return int(struct.unpack_from("<I", head, 0x18)[0]) if head.startswith(b"\x7fELF") else 0
    except (OSError, struct.error):
        return 0


def segments(elf: Path) -> tuple[Segment, ...]:
    """The segments of type LOAD that are not empty. elf: as the linker made it."""
    data = elf.read_bytes()
    start = struct.unpack_from("<I", data, 0x1C)[0]
    size, count = struct.unpack_from("<2H", data, 0x2A)
    rows = [struct.unpack_from("<6I", data, start + number * size) for number in range(count)]
    return tuple(Segment(row[2], row[3], row[4], row[5]) for row in rows if row[0] == _LOAD and row[5])


def check_loadable(elf: Path, loader: Loader) -> None:
    """Check that each segment lies inside a window of the loader, and ends before the window's last byte.

    raises: StepError.
    """
    for one in segments(elf):
        end = one.load + one.bytes
        if not any(window.address <= one.load and end < window.address + window.size for window in loader.windows):
            windows = ", ".join(
                f"{window.address:#010x} to {window.address + window.size:#010x}" for window in loader.windows
            )
            raise StepError(
                f"firmware.elf: got a segment from {one.load:#010x} to {end:#010x}, wanted each inside of {windows},"
                " and to end before the last byte\n"
                "    move or shrink what is placed there (placement and memory of the board)"
            )
