"""Sizes in bytes as people write them: 512K, 10G, 2MiB; units are powers of 1024."""

from __future__ import annotations

import re

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
LARGEST_BYTES = 1 << 62

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_size(text: str) -> int | None:
    """The number of bytes; K, KB and KiB mean the same. None when the text is no size below LARGEST_BYTES."""
    match = _SIZE.fullmatch(text.strip())
    size = float(match[1]) * UNITS[match[2].upper()] if match else LARGEST_BYTES
    return int(size) if size < LARGEST_BYTES else None


def exact_size(size: int) -> str:
    """The size in the largest unit that divides it: 2M, 640K, 1000. `parse_size` reads it back."""
    unit, factor = next((unit, one) for unit, one in reversed(UNITS.items()) if size % one == 0 and (size or not unit))
    return f"{size // factor}{unit}"


def rounded_size(size: int) -> str:
    """The size with one decimal, for people: 1.4 GiB, 20.0 KiB, 12 B."""
    for unit in "TGMK":
        if size >= UNITS[unit]:
            return f"{size / UNITS[unit]:.1f} {unit}iB"
    return f"{size} B"
