"""Directed memory tests: tiles, bricks, lookup tables and DMA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tests.npu.program import Program, StreamTest

if TYPE_CHECKING:
    from tests.npu.native import Array


def _copy(p: Program, shape: tuple[int, int, int]) -> None:
    """An elementwise maximum of the input with itself would need IFM2; a pool of one tap needs nothing."""
    p.output(shape)
    p.set("IFM_DEPTH_M1", shape[2])
    p.set("OFM_SCALE", scale=1, shift=0)
    p.kernel()
    p.set("POOL", mode="SUM" if p.family == "u85" else "AVERAGE")


def tiles() -> Iterator[StreamTest]:
    """A map in four pieces of memory, as input and as output."""
    image = np.random.default_rng(5).integers(-128, 128, (5, 6, 3)).astype(np.int8)
    height0, width0, height1 = 2, 4, 3
    pieces = (
        image[:height0, :width0], image[:height1, width0:], image[height0:, :width0], image[height1:, width0:],
    )  # fmt: skip
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        for role in ("IFM", "OFM"):
            p = Program(npu)
            p.clamp(-128, 127)
            # Every tile is as wide as the whole in memory, since all share the strides.
            wide = [np.zeros((piece.shape[0], 6, 3), np.int8) for piece in pieces]
            for room, piece in zip(wide, pieces, strict=True):
                room[:, : piece.shape[1]] = piece
            dense = p.place(image) if role == "OFM" else p.reserve(image.nbytes)
            bases = [p.place(room) if role == "IFM" else p.reserve(room.nbytes) for room in wide]
            p.map(
                "IFM" if role == "OFM" else "OFM",
                dense,
                image.shape,
                "int8",
                **({} if role == "OFM" else {"global_scale": 1}),
            )
            p.map(role, 0, image.shape, "int8", **({"global_scale": 1} if role == "OFM" else {}))
            for tile, base in enumerate(bases):
                p.set(f"{role}_BASE{tile}", base)
            for name, value in (("HEIGHT0", height0), ("HEIGHT1", height1), ("WIDTH0", width0)):
                p.set(f"{role}_{name}_M1", value)
            _copy(p, image.shape)
            if role == "IFM":
                p.expect(dense, image)
            else:
                for base, room, piece in zip(bases, wide, pieces, strict=True):
                    for row in range(room.shape[0]):
                        p.expect(base + row * 18, piece[row])
            yield p.finish(f"{npu}: four tiles of the {role}")


def bricks() -> Iterator[StreamTest]:
    """NHWC to NHCWB16 and back, channels round the border of a brick, every element size."""
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        p = Program(npu)
        p.clamp(-32768, 32767)
        for dtype in ("int8", "int16", "int32"):
            for depth in (1, 8, 16, 17, 33):
                info = np.iinfo("int8")
                image = np.random.default_rng(depth).integers(info.min, info.max, (2, 3, depth)).astype(dtype)
                groups = (depth + 15) // 16
                middle = p.reserve(2 * 3 * groups * 16 * image.itemsize)
                target = p.reserve(image.nbytes)
                p.map("IFM", p.place(image), image.shape, dtype)
                p.map("OFM", middle, image.shape, dtype, brick=1, global_scale=1)
                _copy(p, image.shape)
                p.map("IFM", middle, image.shape, dtype, brick=1)
                p.map("OFM", target, image.shape, dtype, global_scale=1)
                _copy(p, image.shape)
                p.expect(target, image)
                last = ((groups - 1) * 3 * 16 + (depth - 1) % 16) * image.itemsize
                p.expect(middle + last, image[0, 0, -1:])
        yield p.finish(f"{npu}: bricks")


def _load_table(p: Program, table: Array, internal: int) -> None:
    p.set("DMA0_SRC_REGION", region=0)
    p.set("DMA0_SRC", p.place(table, 0))
    p.set("DMA0_DST_REGION", region=0, internal=1)
    p.set("DMA0_DST", internal)
    p.set("DMA0_LEN", table.nbytes)
    p.set("DMA_START")


def _interpolated(values: Array, base: Array, slope: Array) -> Array:
    index = values.astype(np.int64) + 32768
    part, fraction = index >> 7, index & 127
    return (base[part].astype(np.int64) << 7) + slope[part].astype(np.int64) * fraction


class _Tables:
    """Inputs and tables of both tests. exact: what the 16-bit table gives, before it is rounded."""

    def __init__(self) -> None:
        self.rng = rng = np.random.default_rng(8)
        self.bytes_in = np.arange(-128, 128, dtype=np.int8).reshape(4, 8, 8)
        special = [-32768, -32767, -129, -128, -1, 0, 1, 127, 128, 32766, 32767]
        words = np.concatenate([special, rng.integers(-32768, 32768, 53)])
        self.words_in = words.astype(np.int16).reshape(2, 4, 8)
        base, slope = rng.integers(-20000, 20000, 512).astype(np.int16), rng.integers(-90, 90, 512).astype(np.int16)
        self.pairs = np.stack([base, slope], 1)
        self.exact = _interpolated(self.words_in, base, slope)


def _look_up(p: Program, values: Array, dtype: str, limits: tuple[int, int], **activation: str | int) -> int:
    """A copy of the values through a table; the address of its result."""
    target = p.reserve(values.size * np.dtype(dtype).itemsize)
    p.map("IFM", p.place(values), values.shape, values.dtype.name)
    p.map("OFM", target, values.shape, dtype, global_scale=1)
    p.clamp(*limits)
    p.set("ACTIVATION", **activation)
    _copy(p, values.shape)
    return target


def tables() -> Iterator[StreamTest]:
    """Lookup tables of 8 and 16 bits; those that widen are only on Ethos-U85."""
    t = _Tables()
    p = Program("ethos-u55-128")
    table = t.rng.integers(-128, 128, 256).astype(np.int8)
    _load_table(p, table, 24 * 1024 - 2048 + 3 * 256)
    target = _look_up(p, t.bytes_in, "int8", (-100, 90), function="TABLE_3")
    p.expect(target, table[np.clip(t.bytes_in, -100, 90).astype(int) + 128])
    _load_table(p, t.pairs, 24 * 1024 - 2048)
    target = _look_up(p, t.words_in, "int16", (-32768, 32767), function="TABLE_0")
    p.expect(target, ((t.exact + 64) >> 7).astype(np.int16))
    yield p.finish("ethos-u55-128: tables")

    p = Program("ethos-u85-256")
    narrow = {"S8_S8": "int8", "S8_S16": "int16", "S8_S32": "int32"}
    for slot, (function, dtype) in enumerate(narrow.items()):
        info = np.iinfo(dtype)
        table = t.rng.integers(info.min, info.max, 256).astype(dtype)
        _load_table(p, table, (slot % 2) * table.nbytes)
        target = _look_up(p, t.bytes_in, dtype, (-128, 127), function=function, table=slot % 2)
        p.expect(target, table[t.bytes_in.astype(int) + 128])
    for function, dtype, wanted in (("S16_S16", "int16", (t.exact + 64) >> 7), ("S16_S32", "int32", t.exact)):
        _load_table(p, t.pairs, 2048)
        target = _look_up(p, t.words_in, dtype, (-32768, 32767), function=function, table=1)
        p.expect(target, wanted.astype(dtype))
    yield p.finish("ethos-u85-256: tables")


BYTES = np.random.default_rng(9).integers(0, 256, 96).astype(np.uint8)
"""What is copied by DMA."""


def dma_1d() -> Iterator[StreamTest]:
    """Plain copies."""
    for npu in ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256"):
        p = Program(npu)
        p.set("DMA0_SRC_REGION", region=1)
        p.set("DMA0_DST_REGION", region=2)
        p.set("DMA0_SRC", p.place(BYTES))
        p.set("DMA0_DST", p.reserve(96, 2))
        p.set("DMA0_LEN", 96)
        p.set("DMA_START")
        p.expect(0, BYTES, 2)
        yield p.finish(f"{npu}: 1D DMA")


def dma_u65() -> Iterator[StreamTest]:
    """Two- and three-dimensional copies of Ethos-U65."""
    p = Program("ethos-u65-256")
    p.set("DMA0_SRC_REGION", region=1)
    p.set("DMA0_SRC", p.place(BYTES[:48]))
    p.set("DMA0_LEN", 8)
    p.set("DMA0_SIZE0", 3)
    p.set("DMA0_SIZE1", 2)
    p.set("DMA0_SKIP0", 4)
    p.set("DMA0_SKIP1", 10)
    for mode, count in (("2D", 3), ("3D", 6)):
        p.set("DMA0_DST_REGION", region=2, stride_mode=mode)
        target = p.reserve(100, 2)
        p.set("DMA0_DST", target)
        p.set("DMA_START")
        for copy in range(count):
            p.expect(target + copy * 12 + copy // 3 * 10, BYTES[copy * 8 : copy * 8 + 8], 2)
    yield p.finish("ethos-u65-256: 2D and 3D DMA")


def dma_u85() -> Iterator[StreamTest]:
    """Three-dimensional and indexed copies of Ethos-U85."""
    p = Program("ethos-u85-256")
    source = p.place(BYTES)
    p.set("DMA0_SRC", source)
    p.set("DMA0_LEN", 8)
    p.set("DMA0_SIZE0", 3)
    p.set("DMA0_SIZE1", 2)
    for name, value in (("SRC_STRIDE0", 16), ("SRC_STRIDE1", 48), ("DST_STRIDE0", 12), ("DST_STRIDE1", 40)):
        p.set(f"DMA0_{name}", value)
    p.set("DMA0_SRC_REGION", region=1, stride_mode="3D")
    p.set("DMA0_DST_REGION", region=2, stride_mode="3D")
    target = p.reserve(100, 2)
    p.set("DMA0_DST", target)
    p.set("DMA_START")
    for outer, inner in np.ndindex(2, 3):
        start = inner * 16 + outer * 48
        p.expect(target + inner * 12 + outer * 40, BYTES[start : start + 8], 2)
    indices = np.array([5, 0, 3], np.int32)
    p.set("DMA0_IDX_REGION", 1)
    p.set("DMA0_IDX_BASE", p.place(indices))
    p.set("DMA0_IDX_MAX", 5)
    p.set("DMA0_SRC_REGION", region=1, indexed=1)
    p.set("DMA0_DST_REGION", region=2)
    p.set("DMA0_DST_STRIDE0", 8)
    target = p.reserve(24, 2)
    p.set("DMA0_DST", target)
    p.set("DMA_START")
    p.expect(target, np.concatenate([BYTES[i * 16 : i * 16 + 8] for i in indices]), 2)
    yield p.finish("ethos-u85-256: 3D and indexed DMA")


def tests() -> Iterator[StreamTest]:
    """All of them."""
    for make in (tiles, bricks, tables, dma_1d, dma_u65, dma_u85):
        yield from make()
