"""Optional arguments, negative dimensions and every type of integer, in our kernels and in ExecuTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from kernel_oracle import Array, Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(0)
TYPES = ("int8", "uint8", "int16", "int32", "int64")
SIGN = "ExecuTorch gives an integer remainder the sign of the dividend, PyTorch that of the divisor"
BITS = "ExecuTorch copies the bits of integers where the result is of floats of the same size"
ROUNDED = "the last bits of sums and functions"


def floats(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def integers(kind: str, *shape: int) -> Array:
    return RANDOM.integers(0 if kind[0] == "u" else -50, 50, shape).astype(kind)


def some(kind: str, *shape: int) -> Array:
    """Positive ones."""
    return RANDOM.integers(1, 50, shape).astype(kind)


def indices(most: int, *shape: int) -> Array:
    return RANDOM.integers(0, most, shape)


def reductions(kind: str) -> Iterator[Case]:
    def case(name: str, call: Callable[..., Any], *inputs: Array) -> Case:
        return Case(f"{name}-{kind}", call, inputs or (integers(kind, 3, 4),))

    yield case("mean-type", lambda t, x: t.ops.aten.mean.dim(x, [-1], True, dtype=t.float32))
    yield case("sum", lambda t, x: t.ops.aten.sum.dim_IntList(x, [-2], False))
    yield case("sum-all-type", lambda t, x: t.ops.aten.sum.dim_IntList(x, None, True, dtype=t.float32))
    yield case("prod", lambda t, x: t.ops.aten.prod.dim_int(x, -1, True), (integers(kind, 3, 3) % 3).astype(kind))
    yield case("cumsum-type", lambda t, x: t.ops.aten.cumsum(x, -1, dtype=t.float32))
    yield case("amax", lambda t, x: t.ops.aten.amax(x, [-1, 0], True))
    yield case("argmax-all", lambda t, x: t.ops.aten.argmax(x, None, False))
    yield case("argmin-keep", lambda t, x: t.ops.aten.argmin(x, -2, True))
    yield case("max-dim", lambda t, x: t.ops.aten.max.dim(x, -1, True))
    yield case("any", lambda t, x: t.ops.aten.any.dim(x, -1, True))
    yield case("var", lambda t, x: t.ops.aten.var.correction(x.float(), [-1], correction=0, keepdim=True))
    rows = np.stack([RANDOM.permutation(30) for _ in range(3)]).astype(kind)
    yield case("topk-smallest", lambda t, x: t.ops.aten.topk(x, 2, -1, False, True), rows)
    window = ([3, 2], [2, 1], [1, 0])
    image = integers(kind, 1, 2, 7, 8)
    yield case("max-pool", lambda t, x: t.ops.aten.max_pool2d_with_indices(x, *window, [1, 2], True), image)
    yield case("avg-pool", lambda t, x: t.ops.aten.avg_pool2d(x.float(), *window, True, False, 3), image)


def arithmetic(kind: str) -> Iterator[Case]:
    def case(name: str, call: Callable[..., Any], *others: Array, **how: Any) -> Case:
        return Case(f"{name}-{kind}", call, (integers(kind, 3, 4), *others), **how)

    for mode in ("floor", "trunc", None):
        yield case(
            f"div-{mode}", lambda t, x, y, m=mode: t.ops.aten.div.Tensor_mode(x, y, rounding_mode=m), some(kind, 3, 4)
        )
        yield case(f"div-number-{mode}", lambda t, x, m=mode: t.ops.aten.div.Scalar_mode(x, 3, rounding_mode=m))
    yield case("floor-divide", lambda t, x, y: t.ops.aten.floor_divide(x, y), some(kind, 3, 4))
    yield case("remainder", lambda t, x: t.ops.aten.remainder.Scalar(x, 7), reason=SIGN, oracle="torch")
    yield case("fmod", lambda t, x: t.ops.aten.fmod.Scalar(x, 7))
    yield case("add-alpha", lambda t, x, y: t.ops.aten.add.Tensor(x, y, alpha=3), integers(kind, 3, 4))
    yield case("sub-alpha", lambda t, x: t.ops.aten.sub.Scalar(x, 2, 3))
    yield case("rsub-alpha", lambda t, x: t.ops.aten.rsub.Scalar(x, 2, 3))
    yield case("clamp-min", lambda t, x: t.ops.aten.clamp(x, 3, None))
    yield case("clamp-max-float", lambda t, x: t.ops.aten.clamp(x, None, 2.5))
    yield case("clamp-tensor", lambda t, x, y: t.ops.aten.clamp.Tensor(x, y, None), integers(kind, 4))
    yield case("power", lambda t, x: t.ops.aten.pow.Tensor_Scalar(x, 2))
    yield case("abs", lambda t, x: t.ops.aten.abs(x))
    yield case("exp", lambda t, x: t.ops.aten.exp((x / 16).to(x.dtype)))
    if kind != "uint8":  # PyTorch refuses limits below 0 for it
        yield case("hardtanh", lambda t, x: t.ops.aten.hardtanh(x, -2, 3))
    yield case("relu", lambda t, x: t.ops.aten.relu(x))
    where = lambda t, x, c, y: t.ops.aten.where.self(c, x, y)  # noqa: E731
    yield case("where-float", where, integers("int8", 3, 4) > 0, floats(3, 1))
    yield case("to-half", lambda t, x: t.ops.aten._to_copy(x, dtype=t.float16))
    yield case("full-like-type", lambda t, x: t.ops.aten.full_like(x, 2.7, dtype=t.int32) + x)
    yield case("masked-fill", lambda t, x: t.ops.aten.masked_fill.Scalar(x, x > 0, 3))
    near = {"atol": 1e-6, "reason": ROUNDED}
    yield case("softmax", lambda t, x: t.ops.aten._softmax(x.float(), -2, False), **near)
    yield case("log-softmax", lambda t, x: t.ops.aten._log_softmax(x.float(), -2, False), **near)
    yield case("layer-norm", lambda t, x: t.ops.aten.native_layer_norm(x.float(), [4], None, None, 1e-5), **near)
    yield case("gelu-tanh", lambda t, x: t.ops.aten.gelu(x.float(), approximate="tanh"), **near)
    yield case("elu", lambda t, x: t.ops.aten.elu(x.float() / 20, 0.7, 1.1, 0.9), **near)


def movement(kind: str) -> Iterator[Case]:
    def case(name: str, call: Callable[..., Any], *others: Array, **how: Any) -> Case:
        return Case(f"{name}-{kind}", call, (integers(kind, 3, 4), *others), **how)

    yield case("cat-float", lambda t, x, y: t.ops.aten.cat([x, y], -1), floats(3, 2), reason=BITS, oracle="torch")
    yield case("bmm", lambda t, x, y: t.ops.aten.bmm(x[None], y), integers(kind, 1, 4, 2))
    factors = {"beta": 2, "alpha": 3}
    yield case(
        "addmm", lambda t, x, y, b: t.ops.aten.addmm(b, x, y, **factors), integers(kind, 4, 2), integers(kind, 2)
    )
    scatter = lambda t, x, n, s: t.ops.aten.scatter.src(x, -1, n, s)  # noqa: E731
    yield case("scatter", scatter, indices(4, 3, 1), integers(kind, 3, 4))
    yield case("reflection", lambda t, x: t.ops.aten.reflection_pad2d(x[None], [1, 2, 1, 0]))
    yield case("pad", lambda t, x: t.ops.aten.constant_pad_nd(x, [1, 0, 0, 2], 3))
    yield case("roll", lambda t, x: t.ops.aten.roll(x, [5, -1], [-1, 0]))
    yield case("slice-far", lambda t, x: t.ops.aten.slice_copy.Tensor(x, -1, -3, 100, 2))
    yield case("select", lambda t, x: t.ops.aten.select_copy.int(x, -1, -2))
    yield case("flip", lambda t, x: t.ops.aten.flip(x, [-1, 0]))
    yield case("embedding", lambda t, x, n: t.ops.aten.embedding(x, n, -1), indices(3, 2, 3))
    yield case("stack", lambda t, x, y: t.ops.aten.stack([x, y], -1), integers(kind, 3, 4))
    yield case("tril", lambda t, x: t.ops.aten.tril(x, -1))


def dynamic(name: str, call: Callable[..., Any], *inputs: Array) -> Case:
    """Its first axis is dynamic, and half as long as the largest."""
    return Case(f"{name}-dynamic", call, inputs, dynamic=((0,),) * len(inputs))


IMAGE = floats(2, 3, 4, 5)
DYNAMIC = [
    dynamic("nearest", lambda t, x: t.nn.functional.interpolate(x, scale_factor=3), IMAGE),
    dynamic("bilinear", lambda t, x: t.nn.functional.interpolate(x, size=(4, 5), mode="bilinear"), IMAGE),
    dynamic("max-pool", lambda t, x: t.nn.functional.max_pool2d(x, 2), IMAGE),
    dynamic("amax", lambda t, x: x.amax((0, 2), keepdim=True), IMAGE),
    dynamic("topk", lambda t, x: t.ops.aten.topk(x, 2, -1, False, True), floats(4, 6)),
    dynamic("pad", lambda t, x: t.ops.aten.constant_pad_nd(x, [1, 0, 0, 2, 1, 1], 3), floats(4, 2, 3)),
    dynamic("where", lambda t, c, x: t.where(c > 0, x, 2.0), floats(4, 3), floats(4, 3)),
    dynamic("softmax", lambda t, x: x.softmax(-1), floats(4, 3)),
]
CASES = [case for kind in TYPES for table in (reductions, arithmetic, movement) for case in table(kind)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_optional_arguments_of_every_integer(case: Case) -> None:
    """The results are ExecuTorch's; where it is known to be wrong, PyTorch's."""
    check(case, CASES)


@pytest.mark.parametrize("case", DYNAMIC, ids=str)
def test_a_first_axis_of_another_length_than_when_exported(case: Case) -> None:
    """The result has the size of the inputs."""
    check(case, DYNAMIC)
