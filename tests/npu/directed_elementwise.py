"""Directed elementwise operations: every mode, scale mode and broadcast of both families."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tests.npu.expected import rescaled, wrapped
from tests.npu.program import Program, StreamTest

if TYPE_CHECKING:
    from tests.npu.native import Array

SHAPE = (2, 3, 5)
INT32 = (-(2**31), 2**31 - 1)


def _values(seed: int, dtype: str, shape: tuple[int, int, int] = SHAPE) -> Array:
    """Random, with the type's limits, zero and one among them."""
    info = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(info.min, info.max + 1, shape).astype(dtype)
    flat = values.ravel()
    for i, special in enumerate((info.min, info.max, 0, 1)[: flat.size]):
        flat[(i * 7 + seed) % flat.size] = special
    return values


def _operation(
    p: Program, mode: str, a: Array, b: Array | None, out: str, zero_points: tuple[int, int, int] = (0, 0, 0),
    precision: dict[str, int] | None = None, broadcast: dict[str, int] | None = None, rounding: int = 2,
) -> int:  # fmt: skip
    """One operation on two placed operands; returns the address of its result. broadcast: of IFM2."""
    target = p.reserve(int(np.prod(SHAPE)) * np.dtype(out).itemsize)
    p.output(SHAPE)
    p.map("IFM", p.place(a), a.shape, a.dtype.name, zero_point=zero_points[0], **(precision or {}))
    if b is not None:
        p.map("IFM2", p.place(b), b.shape, b.dtype.name, zero_point=zero_points[1])
    p.set("IFM2_BROADCAST", **(broadcast or {}))
    extra = {"rounding": rounding} if p.family == "u55" else {}
    p.map("OFM", target, SHAPE, out, zero_point=zero_points[2], global_scale=1, **extra)
    info = np.iinfo(out if out != "int32" else "int16")
    p.clamp(info.min, info.max)
    if p.family == "u85" and out == "int32":
        p.set("ACTIVATION", no_clip=1)
    p.set("ELEMENTWISE", mode=mode)
    return target


def _apply(function: Callable[[int, int], int], a: Array, b: Array) -> list[int]:
    pairs = np.broadcast_arrays(a, b)
    return [function(int(x), int(y)) for x, y in zip(pairs[0].ravel(), pairs[1].ravel(), strict=True)]


def _clipped(results: list[int], zero_point: int, dtype: str) -> Array:
    info = np.iinfo(dtype)
    return np.array([max(info.min, min(info.max, r + zero_point)) for r in results]).astype(dtype)


def _sum_u55(scale_mode: int, fixed: int, sign: int, a: int, b: int) -> int:
    """a + sign * b with both operands scaled as the mode says, and then the result."""
    if scale_mode == 0:
        return rescaled(a * 23456 + sign * b * 29876, 1200000007, 45, "NATURAL")
    if scale_mode == 1:
        a, b = rescaled(a, 1518500250, 12, "NATURAL"), b << fixed
    else:
        a, b = a << fixed, rescaled(b, 1518500250, 12, "NATURAL")
    return rescaled(a + sign * b, 1200000007, 50, "NATURAL")


def sums_u55() -> Iterator[StreamTest]:
    """ADD and SUB in the three scale modes, 8 and 16 bits, both operand orders."""
    for dtype, fixed in (("int8", 19), ("int16", 14)):
        zero_points = (-128, 127, -5) if dtype == "int8" else (0, 0, 0)
        a, b = _values(1, dtype), _values(2, dtype)
        for mode, sign in (("ADD", 1), ("SUB", -1)):
            p = Program("ethos-u55-128")
            for scale_mode in range(3):
                for swapped in (0, 1):
                    p.set("OPA_SCALE", scale=23456 if scale_mode == 0 else 1518500250, shift=12 if scale_mode else 0)
                    p.set("OPB_SCALE", 29876)
                    p.set("OFM_SCALE", scale=1200000007, shift=45 if scale_mode == 0 else 50)
                    precision = {"scale_mode": scale_mode, "rounding": 2}
                    target = _operation(p, mode, a, b, dtype, zero_points, precision, {"ifm2_is_first": swapped})

                    one, two = a.astype(np.int64) - zero_points[0], b.astype(np.int64) - zero_points[1]
                    first, second = (two, one) if swapped else (one, two)
                    results = _apply(partial(_sum_u55, scale_mode, fixed, sign), first, second)
                    p.expect(target, _clipped(results, zero_points[2], dtype))
            yield p.finish(f"ethos-u55-128: {mode} of {dtype} in every scale mode")


def modes_u55() -> Iterator[StreamTest]:
    """The other modes, on 8 and 32 bits."""
    a, b = _values(3, "int8"), _values(4, "int8")
    p = Program("ethos-u55-128")
    p.set("OFM_SCALE", scale=1431655766, shift=36)
    scale = (1431655766, 36, "NATURAL")
    zero_points = (3, -9, 1)
    binary: dict[str, Callable[[int, int], int]] = {
        "MUL": lambda x, y: rescaled((x - 3) * (y + 9), *scale),
        "MIN": lambda x, y: min(x - 3, y + 9),
        "MAX": lambda x, y: max(x - 3, y + 9),
        "ABS": lambda x, y: rescaled(abs(x - 3), *scale),
        "LRELU": lambda x, y: x - 3 if x >= 3 else rescaled(x - 3, *scale),
    }
    for mode, function in binary.items():
        second = None if mode in ("ABS", "LRELU") else b
        target = _operation(p, mode, a, second, "int8", zero_points)
        p.expect(target, _clipped(_apply(function, a, b), 1, "int8"))
    yield p.finish("ethos-u55-128: modes of int8")

    a, b = _values(5, "int32"), _values(6, "int32")
    shifts = (_values(7, "uint8") % 34).astype(np.int32)
    p = Program("ethos-u55-128")
    p.set("OFM_SCALE", scale=1, shift=0)
    wide: dict[str, tuple[Array, Callable[[int, int], int]]] = {
        "MUL": (b, lambda x, y: wrapped(x * y, 32)),
        "MIN": (b, min),
        "MAX": (b, max),
        "CLZ": (b, lambda x, y: 32 - (x & 0xFFFFFFFF).bit_length()),
        "SHL": (shifts, lambda x, y: wrapped(x << y, 32) if y < 32 else 0),
        "SHR": (shifts, lambda x, y: (x + (1 << y >> 1)) >> y),
    }
    for mode, (second, function) in wide.items():
        target = _operation(p, mode, a, None if mode == "CLZ" else second, "int32")
        p.expect(target, np.array([wrapped(r, 32) for r in _apply(function, a, second)], np.int32))
    yield p.finish("ethos-u55-128: modes of int32")


def broadcasts() -> Iterator[StreamTest]:
    """IFM2 repeated along each dimension and as a constant."""
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        p = Program(npu)
        a = _values(8, "int8")
        p.set("OFM_SCALE", scale=1, shift=0)
        if p.family == "u85":
            for name in ("IFM_SCALE", "IFM2_SCALE"):
                p.set(name, scale=1, shift=0)
        for bits in range(8):
            shape = tuple(1 if bits >> d & 1 else SHAPE[d] for d in range(3))
            b = _values(20 + bits, "int8", (shape[0], shape[1], shape[2]))
            fields = {name: bits >> d & 1 for d, name in enumerate(("height", "width", "depth"))}
            target = _operation(p, "MAX", a, b, "int8", broadcast=fields)
            p.expect(target, np.maximum(a, b))
        for constant in (-128, 77):
            if p.family == "u55":
                p.set("IFM2_SCALAR", constant & 0xFFFF)
            else:
                p.set("OP_SCALAR", constant)
            target = _operation(p, "MIN", a, np.zeros((1, 1, 1), np.int8), "int8", broadcast={"scalar": 1})
            p.expect(target, np.minimum(a, np.int8(constant)))
        yield p.finish(f"{npu}: broadcasts")


MODES_U85: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "MUL": ("any", lambda x, y: x * y),
    "ADD": ("any", lambda x, y: x + y),
    "SUB": ("any", lambda x, y: x - y),
    "MIN": ("any", min),
    "MAX": ("any", max),
    "ABS": ("none", lambda x, y: abs(x)),
    "CLZ": ("none", lambda x, y: 32 - (x & 0xFFFFFFFF).bit_length()),
    "SHR": ("shift", lambda x, y: (x + (1 << y >> 1)) >> y),
    "SHL": ("shift", lambda x, y: wrapped(x << y, 32) if y < 32 else 0),
    "LSR": ("shift", lambda x, y: (x & 0xFFFFFFFF) >> y if y < 32 else 0),
    "DIV": ("divisor", lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)),
    "EQ": ("any", lambda x, y: -int(x == y)),
    "NE": ("any", lambda x, y: -int(x != y)),
    "GE": ("any", lambda x, y: -int(x >= y)),
    "GT": ("any", lambda x, y: -int(x > y)),
    "AND": ("any", lambda x, y: x & y),
    "OR": ("any", lambda x, y: x | y),
    "XOR": ("any", lambda x, y: x ^ y),
    "NOT": ("none", lambda x, y: ~x),
    "AND_NOT": ("any", lambda x, y: x & ~y),
}
"""Each mode of Ethos-U85: which values its second operand takes, and its result."""


def modes_u85() -> Iterator[StreamTest]:
    """Every mode of Ethos-U85 on 32 bits."""
    a, b = _values(9, "int32"), _values(10, "int32")
    b.ravel()[::4] = a.ravel()[::4]
    second = {
        "any": b,
        "none": b,
        "shift": (_values(11, "uint8") % 34).astype(np.int32),
        "divisor": np.where(b == 0, 3, b).astype(np.int32),
    }
    p = Program("ethos-u85-256")
    for name in ("IFM_SCALE", "IFM2_SCALE", "OFM_SCALE"):
        p.set(name, scale=1, shift=0)
    for mode, (values, function) in MODES_U85.items():
        target = _operation(p, mode, a, None if values == "none" else second[values], "int32")
        results = _apply(function, a, second[values])
        p.expect(target, np.array([wrapped(r, 32) for r in results], np.int32))
    yield p.finish("ethos-u85-256: modes of int32")


SCALED_U85: dict[str, Callable[[int, int], int]] = {
    "ADD": lambda x, y: x + y,
    "SUB": lambda x, y: x - y,
    "MIN": min,
    "MAX": max,
    "ABS": lambda x, y: abs(x),
    "LRELU": lambda x, y: x,
}


def _scaled_u85(mode: str, x: int, y: int) -> int:
    """The result of `scaled_u85` before its zero point; LRELU scales negative values with IFM2's scale."""
    x, y = x + 128, y - 127
    negative = mode == "LRELU" and x < 0
    first = rescaled(x, 1073741824 if negative else 1518500250, 12 if negative else 11, "NATURAL")
    second = rescaled(y, 1073741824, 12, "NATURAL")
    return rescaled(SCALED_U85[mode](first, second), 1200000007, 50, "NATURAL")


def scaled_u85() -> Iterator[StreamTest]:
    """Scaled operands of Ethos-U85 on 8 bits."""
    a, b = _values(12, "int8"), _values(13, "int8")
    p = Program("ethos-u85-256")
    p.set("IFM_SCALE", scale=1518500250, shift=11, natural=1)
    p.set("IFM2_SCALE", scale=1073741824, shift=12, natural=1)
    p.set("OFM_SCALE", scale=1200000007, shift=50, rounding="NATURAL")
    for mode in SCALED_U85:
        second = None if mode in ("ABS", "LRELU") else b
        target = _operation(p, mode, a, second, "int8", zero_points=(-128, 127, 4))
        p.expect(target, _clipped(_apply(partial(_scaled_u85, mode), a, b), 4, "int8"))
    yield p.finish("ethos-u85-256: scaled operands of int8")


def tests() -> Iterator[StreamTest]:
    """All of them."""
    for make in (sums_u55, modes_u55, broadcasts, modes_u85, scaled_u85):
        yield from make()
