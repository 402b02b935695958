"""Convolutions and pools of ExecuTorch's cortex_m backend, against its Python implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from kernel_oracle import Array, Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(2)


def int8(*shape: int) -> Array:
    return RANDOM.integers(-128, 128, shape).astype(np.int8)


@dataclass(frozen=True)
class Shape:
    """A convolution. kernel and below: rows and columns."""

    channels: int
    outputs: int
    groups: int = 1
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    extra: tuple[int, int] = (0, 0)


SHAPES = {
    "plain": Shape(3, 8),
    "one-channel": Shape(1, 4),
    "pointwise": Shape(8, 5, kernel=(1, 1)),
    "pad-stride": Shape(4, 6, kernel=(3, 5), stride=(2, 1), pad=(1, 2)),
    "dilation": Shape(3, 4, dilation=(2, 3), pad=(2, 1)),
    "wide-pad": Shape(2, 3, pad=(4, 5)),
    "whole": Shape(4, 6, kernel=(7, 9)),
}
GROUPED = {"groups": Shape(6, 9, groups=3, pad=(1, 1)), "groups-of-one": Shape(4, 4, groups=4)}
DEPTHWISE = {
    "plain": Shape(6, 6, groups=6, pad=(1, 1)),
    "multiplier": Shape(3, 6, groups=3, stride=(2, 2)),
    "one-channel": Shape(1, 5, kernel=(4, 3), pad=(1, 1)),
    "dilation": Shape(2, 4, groups=2, dilation=(2, 2), pad=(2, 2)),
}
TRANSPOSED = {
    "plain": Shape(3, 5),
    "stride": Shape(4, 3, stride=(2, 3), pad=(1, 0), extra=(1, 2)),
    "dilation": Shape(2, 3, kernel=(2, 3), stride=(2, 1), dilation=(1, 2)),
}


def calls(name: str, shape: Shape, *further: Any, scratches: int = 1, extra: bool = False) -> Callable[..., Any]:
    """A call of cortex_m::name with an input, weights and a bias. further: depth_multiplier."""
    multipliers = RANDOM.integers(2**30, 2**31, shape.outputs).astype(np.int32)
    shifts = RANDOM.integers(-14, -5, shape.outputs).astype(np.int32)
    input_offset, output_offset = (int(RANDOM.integers(-128, 128)) for _ in "io")
    ends = (-128, 127) if shape.groups == 1 else (-70, 100)

    def call(t: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        dilation = list(shape.dilation)
        if not t.compiler.is_exporting() and not extra:
            weight, dilation = dense(t, weight, shape.dilation), [1, 1]
        sides = [list(shape.stride), list(shape.pad), *([list(shape.extra)] if extra else []), dilation]
        empties = [t.zeros(1, dtype=t.uint8) for _ in range(scratches)]
        scales = (t.from_numpy(multipliers), t.from_numpy(shifts))
        function = getattr(t.ops.cortex_m, name)
        return function(x, weight, bias, *sides, *further, input_offset, output_offset, *scales, *ends, *empties)

    return call


def dense(t: Any, weight: Any, dilation: tuple[int, int]) -> Any:
    """The weights of an equal convolution without dilation: PyTorch has no dilated convolution of integers."""
    kernel = [(size - 1) * step + 1 for size, step in zip(weight.shape[1:3], dilation, strict=True)]
    spread = t.zeros((weight.shape[0], *kernel, weight.shape[3]), dtype=weight.dtype)
    spread[:, :: dilation[0], :: dilation[1]] = weight
    return spread


def channels_last(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda t, x, *others: call(t, x.to(memory_format=t.channels_last), *others)


def layouts(name: str, label: str, call: Callable[[str], Callable[..., Any]], *inputs: Array) -> Iterator[Case]:
    """The operator on an input in both memory orders, and its variant for [N, H, W, C]."""
    yield Case(label, call(name), inputs, oracle="torch")
    yield Case(f"{label}-channels-last", channels_last(call(name)), inputs, oracle="torch")
    nhwc = (np.ascontiguousarray(inputs[0].transpose(0, 2, 3, 1)), *inputs[1:])
    yield Case(f"{label}-nhwc", call(f"{name}_nhwc"), nhwc, oracle="torch")


def convolutions() -> Iterator[Case]:
    for label, shape in (SHAPES | GROUPED).items():
        inputs = (
            int8(2, shape.channels, 7, 9),
            int8(shape.outputs, *shape.kernel, shape.channels // shape.groups),
            RANDOM.integers(-5000, 5000, shape.outputs).astype(np.int32),
        )
        made = lambda name, shape=shape: calls(name, shape)  # noqa: E731
        yield from layouts("quantized_conv2d", f"conv-{label}", made, *inputs)
    plain = calls("quantized_conv2d", SHAPES["plain"])
    yield Case("conv-no-bias", plain, (int8(1, 3, 7, 9), int8(8, 3, 3, 3)), oracle="torch")
    for label, shape in DEPTHWISE.items():
        inputs = (
            int8(1, shape.channels, 7, 9),
            int8(1, *shape.kernel, shape.outputs),
            RANDOM.integers(-5000, 5000, shape.outputs).astype(np.int32),
        )
        made = lambda name, shape=shape: calls(name, shape, shape.outputs // shape.channels)  # noqa: E731
        yield from layouts("quantized_depthwise_conv2d", f"depthwise-{label}", made, *inputs)
    for label, shape in TRANSPOSED.items():
        inputs = (
            int8(2, shape.channels, 5, 4),
            int8(shape.outputs, *shape.kernel, shape.channels),
            RANDOM.integers(-5000, 5000, shape.outputs).astype(np.int32),
        )
        made = lambda name, shape=shape: calls(name, shape, scratches=2, extra=True)  # noqa: E731
        yield from layouts("quantized_transpose_conv2d", f"transposed-{label}", made, *inputs)


def pools() -> Iterator[Case]:
    x = int8(2, 3, 9, 11)
    kinds = {
        "plain": ([2, 2], [2, 2], [0, 0], False),
        "one-number": ([3], [2], [1], False),
        "overlap": ([3, 4], [1, 2], [1, 2], False),
        "ceil": ([4, 3], [3, 2], [1, 1], True),
        "whole": ([9, 11], [1, 1], [0, 0], False),
    }
    for label, (kernel, stride, pad, ceil) in kinds.items():
        multiplier, shift, zero = (
            int(RANDOM.integers(2**30, 2**31)),
            int(RANDOM.integers(-8, 0)),
            int(RANDOM.integers(-128, 128)),
        )

        def mean(name: str, words: Any = (kernel, stride, pad, ceil, zero, multiplier, shift)) -> Callable[..., Any]:
            return lambda t, x: getattr(t.ops.cortex_m, name)(x, *words, t.zeros(1, dtype=t.uint8))

        yield from layouts("quantized_avg_pool2d", f"avg-{label}", mean, x)
        if ceil:
            continue

        def most(name: str, words: Any = (kernel, stride, pad, [1, 1], False, 3, 3, -100, 90)) -> Callable[..., Any]:
            return lambda t, x: getattr(t.ops.cortex_m, name)(x, *words)

        yield from layouts("quantized_max_pool2d", f"max-{label}", most, x)


CONVOLUTIONS = list(convolutions())
POOLS = list(pools())


@pytest.fixture(scope="module", autouse=True)
def _operators() -> None:
    """Registers the operators; importing them takes seconds."""
    import executorch.backends.cortex_m.passes  # noqa: F401


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(case: Case) -> None:
    """A quantised convolution is the one of ExecuTorch's Python implementation, bit by bit, in every memory order."""
    check(case, CONVOLUTIONS)


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_pool(case: Case) -> None:
    """A quantised pool is the one of ExecuTorch's Python implementation, bit by bit, in every memory order."""
    check(case, POOLS)
