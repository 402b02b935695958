"""Makes tests/npu/streams/*.toml: streams for what random data rarely reaches, with values from numpy and fractions.

Run as `python -m tests.npu.directed`. The formulas here are written from the definitions, not from the emulator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.npu import directed_branch, directed_convolution, directed_elementwise, directed_memory, directed_u85
from tests.npu.expected import ROUNDINGS_U55, ROUNDINGS_U85, average, rescaled, wrapped
from tests.npu.program import Program, StreamTest, write

FOLDER = Path(__file__).parent / "streams"
TIES = np.array([0, 1, -1, 2, -2, 3, -3, 5, -5, 6, -6, 7, -7, 2**31 - 1, -(2**31), 12345678], np.int32)


def copy_pool(p: Program, mode: str = "AVERAGE") -> None:
    """A pool of one tap: it does nothing but scale."""
    p.kernel()
    p.set("POOL", mode=mode)


def rounding() -> Iterator[StreamTest]:
    """Ties, signs and extremes through a rescale, every rounding mode of both families."""
    for npu, modes in (("ethos-u55-128", ROUNDINGS_U55), ("ethos-u85-256", ROUNDINGS_U85)):
        for name, code in modes.items():
            p = Program(npu)
            source = p.place(TIES)
            p.output((1, 1, TIES.size))
            p.set("IFM_DEPTH_M1", TIES.size)
            p.map("IFM", source, (1, 1, TIES.size), "int32")
            if p.family == "u85":
                p.set("ACTIVATION", no_clip=1)
            else:
                p.clamp(-32768, 32767)
            for shift in (0, 1, 2, 30, 31, 32, 33, 40, 62, 63):
                for multiplier in (1, 3, 1 << 30, (1 << 31) - 1):
                    target = p.reserve(TIES.nbytes)
                    rounding_bits = {"rounding": code} if p.family == "u55" else {}
                    p.map("OFM", target, (1, 1, TIES.size), "int32", global_scale=1, **rounding_bits)
                    scale = {"rounding": code} if p.family == "u85" else {}
                    p.set("OFM_SCALE", scale=multiplier, shift=shift, **scale)
                    copy_pool(p, "SUM" if p.family == "u85" else "AVERAGE")
                    results = [wrapped(rescaled(int(v), multiplier, shift, name), 32) for v in TIES]
                    p.expect(target, np.array(results, np.int32))
            yield p.finish(f"{npu}: {name.lower()} rounding")


LIMITS = np.array(
    [-(2**31), -70000, -32769, -32768, -300, -129, -128, -1, 0, 1, 127, 128, 255, 256, 32768, 2**31 - 1], np.int32
)


def saturation() -> Iterator[StreamTest]:
    """Values beyond the output's type, with zero points at its limits and clamps inside it."""
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        p = Program(npu)
        source = p.place(LIMITS)
        p.output((1, 1, LIMITS.size))
        p.set("IFM_DEPTH_M1", LIMITS.size)
        p.map("IFM", source, (1, 1, LIMITS.size), "int32")
        p.set("OFM_SCALE", scale=1, shift=0)
        for dtype in ("int8", "uint8", "int16"):
            info = np.iinfo(dtype)
            for zero_point in (info.min, 0, info.max):
                for low, high in ((info.min, info.max), (info.min + 5, info.max - 7), (0, info.max)):
                    target = p.reserve(LIMITS.size * np.dtype(dtype).itemsize)
                    p.map("OFM", target, (1, 1, LIMITS.size), dtype, zero_point=zero_point, global_scale=1)
                    p.clamp(low, high)
                    copy_pool(p, "SUM" if p.family == "u85" else "AVERAGE")
                    wanted = np.clip(LIMITS.astype(np.int64) + zero_point, low, high)
                    p.expect(target, wanted.astype(dtype))
        yield p.finish(f"{npu}: saturation and zero points")


def padding() -> Iterator[StreamTest]:
    """Pools over padded edges: only taps inside count, and an average divides by their number."""
    rng = np.random.default_rng(3)
    for npu in ("ethos-u55-128", "ethos-u85-256"):
        image = rng.integers(-128, 128, (4, 5, 3)).astype(np.int8)
        for mode in ("AVERAGE", "MAX"):
            p = Program(npu)
            source = p.place(image)
            target = p.reserve(image.nbytes)
            p.output(image.shape)
            p.set("IFM_DEPTH_M1", 3)
            p.map("IFM", source, image.shape, "int8", zero_point=-7)
            p.map("OFM", target, image.shape, "int8", zero_point=4, global_scale=1)
            p.clamp(-128, 127)
            p.set("OFM_SCALE", scale=1, shift=0)
            p.kernel(3, 3, (1, 1, 1, 1))
            p.set("POOL", mode=mode)
            wanted = np.zeros(image.shape, np.int64)
            for y, x, c in np.ndindex(*image.shape):
                taps = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, c].astype(np.int64) + 7
                wanted[y, x, c] = average(int(taps.sum()), taps.size) if mode == "AVERAGE" else taps.max()
            p.expect(target, np.clip(wanted + 4, -128, 127).astype(np.int8))
            yield p.finish(f"{npu}: {mode.lower()} pool with padding")


FILES: dict[str, tuple[str, Callable[[], Iterator[StreamTest]]]] = {
    "rounding": ("Scaling with every rounding mode.", rounding),
    "saturation": ("Clamps and zero points at the limits of the types.", saturation),
    "padding": ("Pools over padded edges.", padding),
    "convolution": ("Kernels, channels, formats and the order of weights.", directed_convolution.tests),
    "elementwise": ("Every elementwise mode, scale mode and broadcast.", directed_elementwise.tests),
    "memory": ("Tiles, bricks, tables and DMA.", directed_memory.tests),
    "branch": ("Branches of Ethos-U85.", directed_branch.tests),
    "u85": ("Chains, accumulators, transposes, reversals and resizing of Ethos-U85.", directed_u85.tests),
}


def outputs() -> dict[Path, str]:
    """Each stream file with its text."""
    return {FOLDER / f"{name}.toml": write(head, list(make())) for name, (head, make) in FILES.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, content in outputs().items():
        path.write_text(content, encoding="utf-8")
