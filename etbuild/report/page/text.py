"""Sizes and counts as text for the pages, in units that people read."""

from __future__ import annotations


def size_text(size: float, decimals: int = 1) -> str:
    """A size in the largest unit that keeps at least one whole: 3.5 KiB. size: in bytes."""
    for unit, one in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= one:
            return f"{size / one:,.{decimals}f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{size:,.0f} bytes"


def time_text(seconds: float) -> str:
    """A time in ms with three decimals, or in µs where these would say too little."""
    return f"{seconds * 1e3:,.3f} ms" if seconds >= 1e-5 else f"{seconds * 1e6:.3g} µs"


def count_text(count: float) -> str:
    """A number in thousands from 10,000 on, in millions and thousand millions: 12.3 k."""
    for unit, one, least in (("G", 1e9, 1e9), ("M", 1e6, 1e6), ("k", 1e3, 1e4)):
        if abs(count) >= least:
            return f"{count / one:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{count:,.10g}"
