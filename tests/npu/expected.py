"""What the arithmetic should give, in exact fractions: the other side of the directed tests."""

from __future__ import annotations

import math
from fractions import Fraction

ROUNDINGS_U55 = {"DOUBLE": 0, "TRUNCATE": 1, "NATURAL": 2}
ROUNDINGS_U85 = {"DOUBLE": 0, "NATURAL": 1, "DOUBLE_ASYMMETRIC": 2, "SYMMETRIC": 3, "TRUNCATE": 4, "FLOOR": 5}


def rescaled(value: int, multiplier: int, shift: int, rounding: str) -> int:
    """value * multiplier / 2**shift, rounded; saturated to 64 bits."""
    exact = Fraction(value * multiplier, 1 << shift)
    half = Fraction(1, 2) if shift else Fraction(0)
    twice = Fraction(1 << 30, 1 << shift) if shift > 31 else Fraction(0)
    if rounding == "NATURAL":
        result = math.floor(exact + half)
    elif rounding == "DOUBLE":
        result = math.floor(exact + half + (twice if value >= 0 else -twice))
    elif rounding == "DOUBLE_ASYMMETRIC":
        result = math.floor(exact + half + twice)
    elif rounding == "SYMMETRIC":
        result = math.floor(exact + half) if exact >= 0 else math.ceil(exact - half)
    elif rounding == "TRUNCATE":
        result = math.trunc(exact)
    else:
        result = math.floor(exact)
    return max(-(1 << 63), min((1 << 63) - 1, result))


def wrapped(value: int, bits: int) -> int:
    """The low bits as a signed number."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def average(total: int, count: int) -> int:
    """total / count, half away from zero."""
    exact = Fraction(total, count)
    return math.floor(exact + Fraction(1, 2)) if exact >= 0 else math.ceil(exact - Fraction(1, 2))
