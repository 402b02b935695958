"""Directed tests of what only Ethos-U85 has: chains, accumulators, transposes, reversals, pools and resizing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.npu.expected import rescaled
from tests.npu.program import Program, StreamTest

NPU = "ethos-u85-256"
SHAPE = (2, 3, 4)
AXES = {"HWC": (0, 1, 2), "WHC": (1, 0, 2), "HCW": (0, 2, 1), "WCH": (1, 2, 0), "CHW": (2, 0, 1), "CWH": (2, 1, 0)}


def _program() -> Program:
    p = Program(NPU)
    for name in ("IFM_SCALE", "IFM2_SCALE", "OFM_SCALE"):
        p.set(name, scale=1, shift=0)
    p.clamp(-128, 127)
    p.set("IFM_DEPTH_M1", SHAPE[2])
    return p


def _pool(p: Program, mode: str = "SUM") -> None:
    p.kernel()
    p.set("POOL", mode=mode)


def transposes() -> Iterator[StreamTest]:
    """Every order of the output's dimensions, and each dimension reversed."""
    image = np.arange(24, dtype=np.int8).reshape(SHAPE)
    p = _program()
    source = p.place(image)
    p.map("IFM", source, SHAPE, "int8")
    for name, axes in AXES.items():
        wanted = np.ascontiguousarray(image.transpose(axes))
        target = p.reserve(24)
        p.output(SHAPE)
        p.map("OFM", target, (wanted.shape[0], wanted.shape[1], wanted.shape[2]), "int8", global_scale=1)
        _set_precision(p, transpose=name)
        _pool(p)
        p.expect(target, wanted)
    for axis, name in enumerate("HWC"):
        target = p.reserve(24)
        p.output(SHAPE)
        p.map("OFM", target, SHAPE, "int8", global_scale=1)
        _set_precision(p, reverse=name)
        _pool(p)
        p.expect(target, np.ascontiguousarray(np.flip(image, axis)))
    yield p.finish(f"{NPU}: transposes and reversals")


def _set_precision(p: Program, **fields: int | str) -> None:
    p.set("OFM_PRECISION", signed=1, element=0, global_scale=1, **fields)


def chains() -> Iterator[StreamTest]:
    """Chains through one buffer number, which an operation reads and writes at once, also with a repeated dimension."""
    image = np.arange(-12, 12, dtype=np.int8).reshape(SHAPE)
    p = _program()
    target = p.reserve(24)
    p.map("IFM", p.place(image), SHAPE, "int8")
    p.output(SHAPE)
    p.map("OFM", 0, SHAPE, "int8", region=3)
    _set_precision(p, storage="CHAIN")
    _pool(p)
    p.map("IFM", 0, SHAPE, "int8", region=3)
    p.set("IFM_PRECISION", signed=1, element=0, storage="CHAIN")
    p.map("IFM2", 0, SHAPE, "int8", region=3)
    p.set("IFM2_PRECISION", signed=1, element=0, storage="CHAIN")
    p.set("IFM2_BROADCAST", height=1, width=1)
    p.set("IFM_BROADCAST")
    p.set("ELEMENTWISE", mode="ADD")
    p.set("IFM2_BROADCAST", scalar=1)
    p.set("IFM2_PRECISION", signed=1, element=0, storage="NONE")
    p.set("OP_SCALAR", 3)
    p.map("OFM", target, SHAPE, "int8", global_scale=1)
    p.set("ELEMENTWISE", mode="MUL")
    p.expect(target, np.clip((image + image[:1, :1]).astype(np.int64) * 3, -128, 127).astype(np.int8))
    yield p.finish(f"{NPU}: chained operations")


def accumulators() -> Iterator[StreamTest]:
    """Sums kept over three operations of which only the last writes, and sums that start from IFM2."""
    rng = np.random.default_rng(4)
    images = [rng.integers(-20, 20, SHAPE).astype(np.int8) for _ in range(3)]
    start = rng.integers(-1000, 1000, SHAPE).astype(np.int32)
    p = _program()
    p.output(SHAPE)
    target = p.reserve(24)
    p.map("OFM", target, SHAPE, "int8", global_scale=1)
    for i, image in enumerate(images):
        p.map("IFM", p.place(image), SHAPE, "int8", zero_point=i)
        p.set("ACC_FORMAT", input="KEEP" if i else "RESET", output_disabled=int(i < 2))
        _pool(p)
    total = sum(image.astype(np.int64) - i for i, image in enumerate(images))
    p.expect(target, np.asarray(total).astype(np.int8))
    target = p.reserve(96)
    p.map("OFM", target, SHAPE, "int32", global_scale=1)
    p.set("ACTIVATION", no_clip=1)
    p.map("IFM2", p.place(start), SHAPE, "int32")
    p.set("ACC_FORMAT", input="IFM2")
    _pool(p)
    p.expect(target, (start + images[2] - 2).astype(np.int32))
    target = p.reserve(96)
    p.map("OFM", target, SHAPE, "int32", global_scale=1)
    _pool(p, "NONE")
    p.expect(target, start)
    yield p.finish(f"{NPU}: accumulators")


def kept_products() -> Iterator[StreamTest]:
    """A convolution with weights from IFM2, as in a branch: a bias by POOL NONE, then a product for each tap; only the
    last one writes, and only it scales."""
    rng = np.random.default_rng(8)
    height, width, length, depth, taps = 1, 3, 4, 2, 3
    p = _program()
    p.set("IFM_DEPTH_M1", length)
    p.output((height, width, depth))
    bias = rng.integers(-500, 500, (height, width, depth)).astype(np.int32)
    target = p.reserve(width * depth)
    p.map("OFM", target, (height, width, depth), "int8", zero_point=-3, global_scale=1, storage=3)
    p.map("IFM2", p.place(bias), bias.shape, "int32")
    p.set("ACC_FORMAT", input="IFM2", output_disabled=1)
    _pool(p, "NONE")
    total = bias.astype(np.int64)
    p.set("OFM_SCALE", scale=1 << 30, shift=35, rounding="NATURAL")
    for tap in range(taps):
        image = rng.integers(-128, 128, (height, width, length)).astype(np.int8)
        weights = rng.integers(-128, 128, (height, depth, length)).astype(np.int8)
        last = tap == taps - 1
        p.map("IFM", p.place(image), image.shape, "int8", zero_point=7)
        p.map("IFM2", p.place(weights), weights.shape, "int8", zero_point=-5)
        if last:
            p.map("OFM", target, (height, width, depth), "int8", zero_point=-3, global_scale=1)
        p.set("ACC_FORMAT", input="KEEP", output_disabled=int(not last))
        p.set("CONV", weights_from_ifm2=1)
        total = total + np.einsum("yxk,yck->yxc", image.astype(np.int64) - 7, weights.astype(np.int64) + 5)
    scaled = np.vectorize(lambda value: rescaled(int(value), 1 << 30, 35, "NATURAL"))(total)
    p.expect(target, np.clip(scaled - 3, -128, 127).astype(np.int8))
    yield p.finish(f"{NPU}: products added to kept accumulators")


def pools() -> Iterator[StreamTest]:
    """SUM, MIN and REDUCE_SUM over a window, and both arg modes."""
    image = np.random.default_rng(6).integers(-128, 128, (4, 6, 4)).astype(np.int8)
    windows = image.reshape(2, 2, 3, 2, 4).transpose(0, 2, 1, 3, 4).astype(np.int64) - 5
    wanted = {
        "SUM": windows.sum((2, 3)), "MIN": windows.min((2, 3)), "MAX": windows.max((2, 3)),
        "REDUCE_SUM": windows.sum((2, 3, 4))[:, :, None],
        "ARGMAX_X": np.take_along_axis(
            np.broadcast_to(np.arange(2), (2, 3, 4, 2, 2)).reshape(2, 3, 4, 4),
            windows.transpose(0, 1, 4, 2, 3).reshape(2, 3, 4, 4).argmax(-1)[..., None], -1)[..., 0] << 16,
        "ARGMAX_Y": (windows.transpose(0, 1, 4, 2, 3).reshape(2, 3, 4, 4).argmax(-1) // 2) << 16,
    }  # fmt: skip
    p = _program()
    p.set("ACTIVATION", no_clip=1)
    p.map("IFM", p.place(image), image.shape, "int8", zero_point=5)
    for mode, values in wanted.items():
        out = (2, 3, values.shape[2])
        target = p.reserve(values.size * 4)
        p.output(out)
        p.map("OFM", target, out, "int32", global_scale=1)
        p.kernel(2, 2, x_low=1, y_low=1)
        p.set("POOL", mode=mode)
        p.expect(target, values.astype(np.int32))
    yield p.finish(f"{NPU}: pools")


def resizing() -> Iterator[StreamTest]:
    """Bilinear, nearest and replicating, up and down, with offsets."""
    image = np.random.default_rng(7).integers(-128, 128, (3, 4, 2)).astype(np.int8)
    p = _program()
    p.set("OFM_SCALE", scale=1 << 16, shift=36, rounding="NATURAL")
    p.map("IFM", p.place(image), image.shape, "int8", zero_point=-3)
    for mode in ("BILINEAR", "NEAREST", "REPLICATE"):
        for out, n, step, offset in (((6, 8), 4, 2, -1), ((2, 2), 2, 4, 1)):
            shape = (out[0], out[1], 2)
            target = p.reserve(int(np.prod(shape)))
            p.output(shape)
            p.map("OFM", target, shape, "int8", zero_point=-3, global_scale=1)
            p.set("KERNEL_HEIGHT_M1", 3)
            p.set("KERNEL_WIDTH_M1", 4)
            for axis in "XY":
                p.set(f"RESIZE_{axis}_SCALE_N_M1", n)
                p.set(f"RESIZE_{axis}_OFFSET", offset)
                p.set(f"RESIZE_{axis}_STEP", whole=step // n, fraction=step % n)
            p.set("RESIZE", mode=mode)
            p.expect(target, _resized(image.astype(np.int64) + 3, shape, n, step, offset, mode))
    yield p.finish(f"{NPU}: resizing")


def _resized(plain: np.ndarray, shape: tuple[int, int, int], n: int, step: int, offset: int, mode: str) -> np.ndarray:  # type: ignore[type-arg]
    height, width = plain.shape[:2]
    out = np.zeros(shape, np.int64)
    for y, x in np.ndindex(*shape[:2]):
        (iy, fy), (ix, fx) = divmod(y * step + offset, n), divmod(x * step + offset, n)
        y0, y1 = (min(max(i, 0), height - 1) for i in (iy, iy + 1))
        x0, x1 = (min(max(i, 0), width - 1) for i in (ix, ix + 1))
        if mode == "BILINEAR":
            above = plain[y0, x0] * (n - fx) + plain[y0, x1] * fx
            below = plain[y1, x0] * (n - fx) + plain[y1, x1] * fx
            out[y, x] = above * (n - fy) + below * fy
        elif mode == "NEAREST":
            out[y, x] = plain[y1 if 2 * fy >= n else y0, x1 if 2 * fx >= n else x0]
        else:
            out[y, x] = plain[y0, x0]
    scaled = np.vectorize(lambda v: rescaled(int(v) << 16, 1 << 16, 36, "NATURAL"))(out)
    return np.clip(scaled - 3, -128, 127).astype(np.int8)


def tests() -> Iterator[StreamTest]:
    """All of them."""
    for make in (transposes, chains, accumulators, kept_products, pools, resizing):
        yield from make()
