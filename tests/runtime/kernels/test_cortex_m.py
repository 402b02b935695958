"""Operators of ExecuTorch's cortex_m backend, against its Python implementation: all but convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from kernel_oracle import Array, Case, check, compile_cases

from etbuild.errors import StepError
from etbuild.host.program import HostProgram

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)


def int8(*shape: int) -> Array:
    """With both ends of the range."""
    array = RANDOM.integers(-128, 128, shape).astype(np.int8)
    array.reshape(-1)[:2] = (-128, 127)
    return array


def scaling(left: int = -31, right: int = 3) -> tuple[int, int]:
    """A Q31 multiplier as frexp gives it, and a shift."""
    return int(RANDOM.integers(2**30, 2**31)), int(RANDOM.integers(left, right))


def zero_point() -> int:
    return int(RANDOM.integers(-128, 128))


def operator(name: str, *settings: Any) -> Callable[..., Any]:
    """A call of cortex_m::name; `settings` are its arguments, a number of the input in place of each tensor as "0"."""

    def call(t: Any, *inputs: Any) -> Any:
        arguments = [inputs[int(one)] if isinstance(one, str) else one for one in settings]
        return getattr(t.ops.cortex_m, name)(*arguments)

    return call


def channels_last(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call with its inputs of four dimensions in channels-last memory."""

    def moved(t: Any, *inputs: Any) -> Any:
        return call(t, *(x.to(memory_format=t.channels_last) if x.dim() == 4 else x for x in inputs))

    return moved


def oracle(name: str, call: Callable[..., Any], *inputs: Array) -> Case:
    return Case(name, call, inputs, oracle="torch")


def additions() -> Iterator[Case]:
    for number in range(8):
        a, b, out = scaling(-4, 1), scaling(-4, 1), scaling(-22, -16)
        if number % 3 == 1:
            b = (-b[0], b[1])  # as for a subtraction
        ends = (-128, 127) if number % 2 else (-20, 101)
        settings = ("0", zero_point(), *a, "1", zero_point(), *b, zero_point(), *out, *ends)
        yield oracle(f"add-{number}", operator("quantized_add", *settings), int8(2, 3, 5, 7), int8(2, 3, 5, 7))
    call = operator("quantized_add", *settings)
    yield oracle("add-channels-last", channels_last(call), int8(2, 4, 5, 6), int8(2, 4, 5, 6))
    yield oracle("add-channel", channels_last(call), int8(1, 4, 5, 6), int8(1, 4, 1, 1))
    yield oracle("add-channel-first", channels_last(call), int8(1, 4, 1, 1), int8(1, 4, 5, 6))


def products() -> Iterator[Case]:
    for number in range(6):
        settings = ("0", zero_point(), "1", zero_point(), zero_point(), *scaling(-14, -3))
        yield oracle(f"mul-{number}", operator("quantized_mul", *settings), int8(3, 50), int8(3, 50))
    call = channels_last(operator("quantized_mul", *settings))
    yield oracle("mul-channel", call, int8(1, 4, 5, 6), int8(1, 4, 1, 1))
    for number, scale in enumerate((0.5, 7.25, 40.0, 1e-3)):
        settings = ("0", zero_point(), "1", zero_point(), zero_point(), scale)
        yield oracle(f"div-{number}", operator("quantized_div", *settings), int8(400), int8(400))
        a, b = (RANDOM.integers(-(2**15), 2**15, 400).astype(np.int16) for _ in "ab")
        b[:9] = 3  # the zero point
        settings = ("0", 0, "1", 3, 0, scale * 100)
        yield oracle(f"div-int16-{number}", operator("quantized_div", *settings), a, b)


def tables() -> Iterator[Case]:
    call = operator("quantized_activation", "0", "1")
    yield oracle("activation", call, int8(2, 3, 300), int8(256))
    yield oracle("activation-channels-last", channels_last(call), int8(2, 3, 5, 6), int8(256))
    for name in ("minimum", "maximum"):
        call = operator(name, "0", "1")
        yield oracle(name, call, int8(2, 3, 50), int8(2, 3, 50))
        yield oracle(f"{name}-one", call, int8(2, 3, 50), int8(2)[:1].copy())
        yield oracle(f"{name}-broadcast", call, int8(2, 1, 5), int8(4, 1))


def linears() -> Iterator[Case]:
    ends = (127, -128)
    for number, (rows, inner, outputs) in enumerate([((1,), 64, 10), ((3,), 31, 7), ((2, 3), 130, 4), ((), 9, 5)]):
        weights, sums = int8(outputs, inner), RANDOM.integers(-(2**20), 2**20, (1, outputs)).astype(np.int32)
        multiplier, shift = scaling(-13, -4)
        tail = (zero_point(), [multiplier], [shift], *ends)
        offset = -zero_point()
        summed = operator("quantized_linear", "0", "1", None, "2", offset, 0, *tail)
        yield oracle(f"linear-sum-{number}", summed, int8(*rows, inner), weights, sums)
        shifted = operator("quantized_linear", "0", "1", None, "2", offset, 3, *tail)
        yield oracle(f"linear-sum-offset-{number}", shifted, int8(*rows, inner), weights, sums)
        biased = operator("quantized_linear", "0", "1", "2", None, offset, -2, *tail[:3], 90, -7)
        yield oracle(f"linear-bias-{number}", biased, int8(*rows, inner), weights, sums[0].copy())
        plain = operator("quantized_linear", "0", "1", None, None, offset, 0, *tail)
        yield oracle(f"linear-{number}", plain, int8(*rows, inner), weights)


def batches() -> Iterator[Case]:
    for number, (batch, rows, columns, inner) in enumerate([(1, 1, 4, 16), (2, 3, 5, 40), (3, 4, 2, 200)]):
        settings = (zero_point(), *scaling(-13, -4))

        def call(t: Any, a: Any, b: Any, settings: Any = settings) -> Any:
            return t.ops.cortex_m.quantized_batch_matmul(a, 5, b, -17, *settings, t.zeros(1, dtype=t.uint8))

        yield oracle(f"batch_matmul-{number}", call, int8(batch, rows, inner), int8(batch, columns, inner))


def softmaxes() -> Iterator[Case]:
    # Input scales from 1/250 to 1; multiplier 2^shift / 2^57 is the scale.
    for number, scale in enumerate((0.004, 0.03, 0.11, 0.5, 1.0)):
        mantissa, exponent = np.frexp(scale * 2**26)
        settings = (round(mantissa * 2**31), int(exponent), -248)
        for dim, shape in ((-1, (40, 10)), (1, (2, 6, 5, 3))):
            call = operator("softmax", "0", dim, zero_point(), -128, *settings)
            yield oracle(f"softmax-{number}-{dim}", call, int8(*shape))
    equal = np.full((1, 512), 7, np.int8)
    yield oracle("softmax-ties", operator("softmax", "0", -1, 0, -128, 2**30, 20, -248), equal)


def moves() -> Iterator[Case]:
    for order in ([0, 2, 1], [2, 0, 1]):
        yield oracle(f"transpose-{order}", operator("transpose", "0", order), int8(2, 3, 5))
    yield oracle("transpose-4d", operator("transpose", "0", [0, 3, 1, 2]), int8(2, 3, 5, 4))
    yield oracle("transpose-int32", operator("transpose", "0", [1, 0]), np.arange(12, dtype=np.int32).reshape(3, 4))
    pad = operator("pad", "0", [0, 1, 2, 3], [0, 2, 1, 0], -5)
    for shape in ((2, 3, 4, 5), (2, 3, 4), (2, 3), (4,), (2, 1, 4, 5), (2, 3, 1, 1)):
        yield oracle(f"pad-{shape}", pad, int8(*shape))
    yield oracle("pad-channels-last", channels_last(pad), int8(2, 3, 4, 5))


CASES = [
    case
    for cases in (additions, products, tables, linears, batches, softmaxes, moves)
    for case in cases()  # type: ignore[operator]
]


@pytest.fixture(scope="module", autouse=True)
def _operators() -> None:
    """Registers the operators; importing them takes seconds."""
    import executorch.backends.cortex_m.passes  # noqa: F401


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cortex_m(case: Case) -> None:
    """The result is the one of ExecuTorch's Python implementation, bit by bit."""
    check(case, CASES)


def bad_convolution(shift: int, *middle: Any) -> Callable[..., Any]:
    def call(t: Any, x: Any, weight: Any) -> Any:
        scales = (t.tensor([2**30] * 4, dtype=t.int32), t.tensor([shift] * 4, dtype=t.int32))
        empty = t.zeros(1, dtype=t.uint8)
        return t.ops.cortex_m.quantized_conv2d(x, weight, None, *middle, 0, 0, *scales, -128, 127, empty)

    return call


def bad_pool(padding: int) -> Callable[..., Any]:
    return operator("quantized_max_pool2d", "0", [2, 2], [2, 2], [padding] * 2, [1, 1], False, 0, 1, -128, 127)


IMAGE, WEIGHT = int8(1, 3, 6, 6), int8(4, 3, 3, 3)
SIDES = ([1, 1], [0, 0], [1, 1])
BAD = [
    ("shift", bad_convolution(-70, *SIDES), (IMAGE, WEIGHT), "requantize: shift out of range"),
    ("left-shift", bad_convolution(40, *SIDES), (IMAGE, WEIGHT), "requantize: shift out of range"),
    ("multiplier", operator("quantized_mul", "0", 0, "0", 0, 0, 2**40, 0), (int8(4),), "multiplier is no Q31 number"),
    ("zero-points", bad_pool(0), (IMAGE,), "another zero point of the output"),
    ("softmax", operator("softmax", "0", -1, 0, 3, 2**30, 20, -248), (int8(2, 4),), "wrong scale or zero point"),
]


@pytest.mark.parametrize(("call", "inputs", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_arguments_are_an_error(call: Callable[..., Any], inputs: tuple[Array, ...], message: str) -> None:
    """Numbers that no operator has are refused before they are used."""
    pte = compile_cases((Case("bad", call, inputs),))

    with pytest.raises(StepError, match=message):
        HostProgram(pte).run(*inputs)
