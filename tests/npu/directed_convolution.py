"""Directed convolutions: kernel shapes, channels round 1, 8, 16 and 17, bricks, both orders of weights, two cores.

The weights are encoded by Vela's own codec for Ethos-U55, so their order is checked against the compiler's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.npu.expected import rescaled
from tests.npu.program import Program, StreamTest

if TYPE_CHECKING:
    from tests.npu.native import Array


@dataclass(frozen=True)
class Shape:
    """One convolution. kernel: taps; block: OFM block depth; part: part-kernel-first; bits: of a weight; double: with
    double rounding, and scales that show it."""

    height: int
    width: int
    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dtype: str = "int8"
    brick: int = 0
    block: int = 16
    part: int = 0
    depthwise: bool = False
    upscale: str = "NONE"
    bits: int = 9
    double: bool = False
    npu: str = "ethos-u55-128"

    @property
    def dilated(self) -> tuple[int, int]:
        return ((self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1)

    @property
    def extent(self) -> tuple[int, int]:
        scale = 1 if self.upscale == "NONE" else 2
        return self.height * scale, self.width * scale

    @property
    def out(self) -> tuple[int, int, int]:
        top, left, bottom, right = self.pads
        rows = (self.extent[0] + top + bottom - self.dilated[0]) // self.stride[0] + 1
        columns = (self.extent[1] + left + right - self.dilated[1]) // self.stride[1] + 1
        return rows, columns, self.outputs


SHAPES = (
    Shape(5, 6, 1, 1, (1, 1)),
    Shape(4, 4, 8, 8, (1, 1)),
    Shape(4, 4, 16, 16, (3, 3), pads=(1, 1, 1, 1)),
    Shape(4, 5, 17, 17, (1, 1), part=1),
    Shape(3, 4, 33, 17, (1, 1), block=8),
    Shape(3, 4, 15, 9, (2, 3), brick=1, part=1),
    Shape(4, 6, 17, 15, (1, 3), pads=(0, 1, 0, 1), brick=1),
    Shape(7, 5, 3, 4, (5, 2), pads=(2, 0, 2, 1), part=1),
    Shape(9, 5, 3, 4, (9, 1), part=1),
    Shape(3, 12, 2, 3, (1, 11), pads=(0, 5, 0, 5)),
    Shape(7, 7, 4, 5, (3, 3), stride=(2, 2), pads=(1, 1, 1, 1)),
    Shape(8, 9, 2, 3, (3, 1), stride=(3, 2)),
    Shape(9, 9, 3, 3, (3, 3), dilation=(2, 2), pads=(2, 2, 2, 2)),
    Shape(8, 12, 3, 2, (2, 5), dilation=(1, 2), part=1),
    Shape(4, 4, 8, 8, (3, 3), pads=(1, 1, 1, 1), dtype="int16", block=8),
    Shape(3, 4, 17, 9, (1, 2), dtype="int16", part=1, brick=1),
    Shape(4, 4, 6, 6, (3, 3), pads=(1, 1, 1, 1), dtype="uint8"),
    Shape(3, 3, 4, 4, (3, 3), pads=(1, 1, 1, 1), upscale="NEAREST"),
    Shape(3, 3, 4, 4, (3, 3), pads=(1, 1, 1, 1), upscale="ZEROS"),
    Shape(5, 5, 17, 17, (3, 3), pads=(1, 1, 1, 1), depthwise=True),
    Shape(9, 5, 8, 8, (9, 2), depthwise=True, brick=1),
    Shape(6, 6, 9, 9, (3, 2), stride=(2, 1), dilation=(1, 2), depthwise=True, dtype="int16"),
    Shape(4, 4, 16, 19, (3, 3), pads=(1, 1, 1, 1), npu="ethos-u65-512", block=16),
    Shape(3, 4, 9, 33, (1, 2), npu="ethos-u65-512", part=1, block=16),
    Shape(4, 5, 18, 18, (3, 3), pads=(1, 1, 1, 1), depthwise=True, npu="ethos-u65-512"),
    Shape(3, 9, 20, 40, (1, 1), bits=8),
    Shape(6, 10, 3, 24, (3, 3), stride=(2, 2), pads=(0, 1, 1, 0), bits=8),
    Shape(5, 5, 33, 33, (3, 3), pads=(1, 1, 1, 1), depthwise=True, bits=8, brick=1),
    Shape(7, 9, 18, 18, (5, 5), stride=(2, 2), pads=(2, 2, 2, 2), depthwise=True, bits=8, dtype="uint8"),
    Shape(4, 6, 4, 18, (1, 1), bits=3, double=True),
    Shape(4, 5, 18, 18, (3, 3), pads=(1, 1, 1, 1), depthwise=True, bits=3, double=True),
)


def encoded(weights: Array, shape: Shape) -> bytes:
    """One core's weights, [outputs][height][width][inputs], as Vela encodes them."""
    from ethosu import mlw_codec

    data, _ = mlw_codec.reorder_encode(
        8, 8, weights.astype(np.int16), max(shape.block // cores_of(shape), 1), int(shape.depthwise), shape.part,
        8 * np.dtype(shape.dtype).itemsize, 8 // shape.dilation[0], 8 // shape.dilation[1],
    )  # fmt: skip
    return bytes(data)


def cores_of(shape: Shape) -> int:
    return 2 if shape.npu.endswith("u65-512") else 1


def reference(shape: Shape, image: Array, zero_point: int, weights: Array) -> Array:
    """Sums of products, [rows][columns][outputs]; weights [outputs][height][width][inputs]."""
    scale = 1 if shape.upscale == "NONE" else 2
    padded = np.zeros((shape.extent[0] + 40, shape.extent[1] + 40, shape.inputs), np.int64)
    large = np.zeros((*shape.extent, shape.inputs), np.int64)
    plain = image.astype(np.int64) - zero_point
    if shape.upscale == "ZEROS":
        large[::2, ::2] = plain
    else:
        large = plain.repeat(scale, 0).repeat(scale, 1)
    padded[20 : 20 + shape.extent[0], 20 : 20 + shape.extent[1]] = large
    out = np.zeros(shape.out, np.int64)
    for y, x in np.ndindex(*shape.out[:2]):
        for ky, kx in np.ndindex(*shape.kernel):
            row = 20 + y * shape.stride[0] + ky * shape.dilation[0] - shape.pads[0]
            column = 20 + x * shape.stride[1] + kx * shape.dilation[1] - shape.pads[1]
            taps = weights[:, ky, kx].astype(np.int64)
            out[y, x] += padded[row, column] * taps[:, 0] if shape.depthwise else taps @ padded[row, column]
    return out


def brick(values: Array) -> Array:
    """[height][width][depth] as NHCWB16, unused channels zero."""
    height, width, depth = values.shape
    groups = (depth + 15) // 16
    padded = np.zeros((height, width, groups * 16), values.dtype)
    padded[:, :, :depth] = values
    return np.ascontiguousarray(padded.reshape(height, width, groups, 16).transpose(0, 2, 1, 3))


def channel_records(biases: list[int], scales: list[tuple[int, int]]) -> bytes:
    """10 bytes a channel."""
    return b"".join(
        (bias & (1 << 40) - 1).to_bytes(5, "little") + scale.to_bytes(4, "little") + bytes([shift])
        for bias, (scale, shift) in zip(biases, scales, strict=True)
    )


def place_streams(p: Program, shape: Shape, weights: Array, biases: list[int], scales: list[tuple[int, int]]) -> None:
    """Weights and scales of each core into region 0, with their registers."""
    cores = cores_of(shape)
    p.set("WEIGHT_REGION", 0)
    p.set("SCALE_REGION", 0)
    for core in range(cores):
        number = "" if core == 0 else str(core)
        data = encoded(np.ascontiguousarray(weights[core::cores]), shape)
        p.set(f"WEIGHT{number}_BASE", p.place(np.frombuffer(data, np.uint8), 0))
        p.set(f"WEIGHT{number}_LENGTH", len(data))
        records = channel_records(biases[core::cores], scales[core::cores])
        p.set(f"SCALE{number}_BASE", p.place(np.frombuffer(records, np.uint8), 0))
        p.set(f"SCALE{number}_LENGTH", (len(records) + 15) // 16 * 16)


@dataclass(frozen=True)
class Values:
    """What one convolution computes with. scales: multiplier and shift of each channel."""

    image: Array
    zero_point: int
    weights: Array
    biases: list[int]
    scales: list[tuple[int, int]]


def random_values(number: int, shape: Shape) -> Values:
    """Weights of all their bits, some biases above 32 bits for 16-bit maps."""
    rng = np.random.default_rng(number)
    info = np.iinfo(shape.dtype)
    zero_point = 0 if shape.dtype == "int16" else int(rng.integers(info.min, info.max + 1))
    image = rng.integers(info.min, info.max + 1, (shape.height, shape.width, shape.inputs)).astype(shape.dtype)
    depth = 1 if shape.depthwise else shape.inputs
    most = (1 << (shape.bits - 1)) - 1
    weights = rng.integers(-most, most + 1, (shape.outputs, *shape.kernel, depth))
    weights[rng.random(weights.shape) < 0.3] = 0
    biases = [int(b) for b in rng.integers(-(1 << 20), 1 << 20, shape.outputs)]
    if shape.dtype == "int16":
        biases[0], biases[-1] = (1 << 36) + 5, -(1 << 36)
    if shape.double:
        draws = rng.integers(1 << 30, (1 << 31) - 1, shape.outputs)
        biases, scales = [0] * shape.outputs, [(int(multiplier), 33) for multiplier in draws]
        return Values(image, zero_point, weights, biases, scales)
    multipliers, shifts = rng.integers(1 << 13, 1 << 15, shape.outputs), rng.integers(20, 26, shape.outputs)
    scales = [(int(m), int(s)) for m, s in zip(multipliers, shifts, strict=True)]
    return Values(image, zero_point, weights, biases, scales)


def expected(shape: Shape, values: Values) -> Array:
    """The output map, with zero point 3."""
    rounding = "DOUBLE" if shape.double else "NATURAL"
    info = np.iinfo(shape.dtype)
    out = reference(shape, values.image, values.zero_point, values.weights)
    scaled = [
        rescaled(int(v) + values.biases[i % shape.outputs], *values.scales[i % shape.outputs], rounding)
        for i, v in enumerate(out.ravel())
    ]
    return np.clip(np.array(scaled).reshape(shape.out) + 3, info.min, info.max).astype(shape.dtype)


def set_kernel(p: Program, shape: Shape) -> None:
    across, down = shape.stride[1] - 1, shape.stride[0] - 1
    strides = {"y_low": down & 1, "y_high": down >> 1, "x_low": across & 1, "x_high": across >> 1}
    p.kernel(
        *shape.dilated, shape.pads, part_kernel_first=shape.part, dilation_y=shape.dilation[0],
        dilation_x=shape.dilation[1], **strides,
    )  # fmt: skip


def expect_bricks(p: Program, target: int, wanted: Array) -> None:
    """Expect a map in NHCWB16; unused channels are not compared."""
    rows, columns, depth = wanted.shape
    groups = (depth + 15) // 16
    for row, group in np.ndindex(rows, groups):
        for column in range(columns):
            offset = ((row * groups + group) * columns + column) * 16
            p.expect(target + offset * wanted.itemsize, wanted[row, column, group * 16 : group * 16 + 16])


def convolution(number: int, shape: Shape) -> StreamTest:
    """One convolution with random values."""
    values, info = random_values(number, shape), np.iinfo(shape.dtype)
    wanted = expected(shape, values)
    p = Program(shape.npu)
    if shape.npu.startswith("ethos-u65"):
        p.set("PARALLEL_MODE", cores_of(shape) - 1)
    source = p.place(brick(values.image) if shape.brick else values.image)
    target = p.reserve((brick(wanted) if shape.brick else wanted).nbytes)
    p.set("IFM_DEPTH_M1", shape.inputs)
    p.set("IFM_UPSCALE", shape.upscale)
    p.map("IFM", source, values.image.shape, shape.dtype, zero_point=values.zero_point, brick=shape.brick)
    p.output(shape.out)
    p.map("OFM", target, shape.out, shape.dtype, zero_point=3, brick=shape.brick, rounding=0 if shape.double else 2)
    set_kernel(p, shape)
    p.set("OFM_BLK_DEPTH_M1", shape.block)
    p.set("ACC_FORMAT", "I40" if shape.dtype == "int16" else "I32")
    p.clamp(info.min, info.max)
    place_streams(p, shape, values.weights, values.biases, values.scales)
    p.set("DEPTHWISE" if shape.depthwise else "CONV")
    if shape.brick:
        expect_bricks(p, target, wanted)
    else:
        p.expect(target, wanted)
    kind = "depthwise" if shape.depthwise else "convolution"
    return p.finish(f"{shape.npu}: {kind} {number}")


def tests() -> Iterator[StreamTest]:
    """All of them."""
    for number, shape in enumerate(SHAPES):
        yield convolution(number, shape)
