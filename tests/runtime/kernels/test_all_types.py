"""float16, bfloat16, float64 and the wide unsigned integers, in the runtime that is built for all element types.

A case casts its float32 inputs to the type, and the result to float32 or float64, in the program itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from kernel_oracle import Array, Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(23)
X = RANDOM.normal(0, 1, (2, 4, 6, 5)).astype(np.float32)
Y = RANDOM.normal(0, 1, (2, 4, 6, 5)).astype(np.float32)
M = RANDOM.normal(0, 1, (6, 5)).astype(np.float32)
K = RANDOM.normal(0, 0.3, (3, 4, 3, 3)).astype(np.float32)
ROW = RANDOM.normal(1, 0.5, (5,)).astype(np.float32)
MASK = X > 0
PLACES = np.array([2, 0, 3])

# The distance of two neighbours of the type below 1, in the unit of the cast result, and what 1 is rounded to.
TYPES = {"float16": (2**13, 2**-11), "bfloat16": (2**16, 2**-8), "float64": (1, 2**-53)}
STEPS = "ExecuTorch rounds each step of a sum to the type, ours computes in double precision"

# name: the call, its inputs, and the bound on the difference in units of rounding at 1; 0: 2 neighbours.
Call = Callable[..., Any]
FLOAT: dict[str, tuple[Call, tuple[Array, ...], float]] = {
    **{
        name: (lambda t, x, name=name: getattr(t, name)(x), (X,), 0)
        for name in ("abs", "neg", "sign", "relu", "ceil", "floor", "round", "trunc", "exp", "sin", "tanh", "sigmoid")
    },
    **{
        name: (lambda t, x, y, name=name: getattr(t, name)(x, y), (X, Y), 0)
        for name in ("add", "sub", "mul", "div", "minimum", "maximum", "atan2", "fmod")
    },
    "add-number": (lambda t, x: x + 0.3, (X,), 0),
    "mul-row": (lambda t, x, y: x * y, (X, ROW), 0),
    "pow": (lambda t, x: t.pow(x, 3), (X,), 0),
    "clamp": (lambda t, x: t.clamp(x, -0.5, 0.25), (X,), 0),
    "gelu": (lambda t, x: t.nn.functional.gelu(x), (X,), 4),
    "elu": (lambda t, x: t.nn.functional.elu(x), (X,), 4),
    "leaky_relu": (lambda t, x: t.nn.functional.leaky_relu(x, 0.1), (X,), 0),
    "hardtanh": (lambda t, x: t.nn.functional.hardtanh(x), (X,), 0),
    "logit": (lambda t, x: t.logit(x, 0.1), (X,), 8),
    "glu": (lambda t, x: t.nn.functional.glu(x, 1), (X,), 4),
    "where": (lambda t, x, y: t.where(x > y, x, y), (X, Y), 0),
    "softmax": (lambda t, x: x.softmax(-1), (X,), 8),
    "log_softmax": (lambda t, x: x.log_softmax(1), (X,), 16),
    "layer_norm": (lambda t, x, w: t.nn.functional.layer_norm(x, (5,), w, w), (X, ROW), 32),
    "group_norm": (lambda t, x: t.nn.functional.group_norm(x, 2), (X,), 32),
    "sum": (lambda t, x: x.sum((1, 2)), (X,), 64),
    "mean": (lambda t, x: x.mean(-1, keepdim=True), (X,), 8),
    "prod": (lambda t, x: x.prod(3), (X,), 16),
    "cumsum": (lambda t, x: x.cumsum(2), (X,), 16),
    "var": (lambda t, x: x.var(3), (X,), 64),
    "amax": (lambda t, x: x.amax((1, 3)), (X,), 0),
    "max-dim": (lambda t, x: x.max(2).values, (X,), 0),
    "topk": (lambda t, x: x.topk(3).values, (X,), 0),
    "mm": (lambda t, x, y: t.mm(x, y.t()), (M, M), 32),
    "bmm": (lambda t, x, y: t.bmm(x.view(8, 6, 5), y.view(8, 5, 6)), (X, Y), 32),
    "linear": (lambda t, x, y: t.nn.functional.linear(x, y), (X, M), 32),
    "convolution": (lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1), (X, K), 64),
    "transposed": (lambda t, x, w: t.nn.functional.conv_transpose2d(x, w.transpose(0, 1), stride=2), (X, K), 64),
    "avg_pool": (lambda t, x: t.nn.functional.avg_pool2d(x, 2), (X,), 8),
    "max_pool": (lambda t, x: t.nn.functional.max_pool2d(x, 2), (X,), 0),
    "nearest": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), (X,), 0),
    "bilinear": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), (X,), 16),
    "cat": (lambda t, x, y: t.cat([x, y], 1), (X, Y), 0),
    "pad": (lambda t, x: t.nn.functional.pad(x, (1, 2), value=0.5), (X,), 0),
    "reflect": (lambda t, x: t.nn.functional.pad(x, (1, 2), mode="reflect"), (X[0],), 0),
    "permute": (lambda t, x: x.permute(3, 1, 0, 2).clone(), (X,), 0),
    "flip-select": (lambda t, x: x.flip(0)[:, 1].clone(), (X,), 0),
    "index": (lambda t, x, i: x[:, i], (X, PLACES), 0),
    "index_put": (lambda t, x, i, v: t.ops.aten.index_put(x, [None, i], v, True), (X, PLACES, X[:, :3].copy()), 0),
    "scatter_add": (lambda t, x, i, v: t.scatter_add(x, 1, i, v), (M, np.tile(PLACES, (6, 1)), M[:, :3].copy()), 0),
    "masked_fill": (lambda t, x, m: x.masked_fill(m, -2.0), (X, MASK), 0),
    "masked_select": (lambda t, x, m: t.masked_select(x, m), (X, MASK), 0),
    "full_like": (lambda t, x: x + t.full_like(x, 1.5), (X,), 0),
    "tril-roll": (lambda t, x: t.roll(t.tril(x), 2, 3), (X,), 0),
    "grid_sampler": (
        lambda t, x, g: t.nn.functional.grid_sample(x, g, align_corners=False),
        (X, RANDOM.uniform(-1, 1, (2, 3, 3, 2)).astype(np.float32)),
        256,
    ),
    "cdist": (lambda t, x, y: t.ops.aten._cdist_forward(x, y, 1.0, None), (M, M[::-1].copy()), 64),
    "var_mean": (lambda t, x: t.var_mean(x, 3)[0], (X,), 64),
}


# What an oracle does not compute with a type: then the other one, or none of both.
TORCH = {
    "logit": ("float16", "bfloat16"),
    "log_softmax": ("float64",),
    "layer_norm": ("float64",),
    "group_norm": ("float64",),
}
NEITHER = {"cdist": ("float16", "bfloat16")}


def cases(dtype: str, oracle: str) -> Iterator[Case]:
    unit, rounding = TYPES[dtype]
    for name, (call, inputs, bound) in FLOAT.items():
        if dtype in NEITHER.get(name, ()) or (oracle == "torch") != (dtype in TORCH.get(name, ())):
            continue

        def cast(t: Any, *arrays: Any, call: Call = call) -> Any:
            given = [one.to(getattr(t, dtype)) if one.dtype == t.float32 else one for one in arrays]
            return call(t, *given).to(t.float64 if dtype == "float64" else t.float32)

        yield Case(f"{name}-{dtype}", cast, inputs, 2 * unit, bound * rounding, STEPS if bound else "", oracle)


TABLES = {(dtype, oracle): list(cases(dtype, oracle)) for dtype in TYPES for oracle in ("executorch", "torch")}


@pytest.mark.parametrize("case", [case for table in TABLES.values() for case in table], ids=str)
def test_kernels_compute_with_every_floating_point_type(case: Case) -> None:
    """As ExecuTorch does, within two neighbours of the type, or within the bound of the case."""
    check(case, TABLES[case.name.rpartition("-")[2], case.oracle])


INTEGERS = [
    Case(
        f"convolution-{name}",
        lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1),
        (RANDOM.integers(-9, 9, (1, 4, 6, 5)).astype(name), RANDOM.integers(-3, 3, (2, 4, 3, 3)).astype(name)),
        reason="ExecuTorch's own kernel",
    )
    for name in ("int8", "int32", "int64")
] + [
    Case(
        "avg_pool-int64",
        lambda t, x: t.nn.functional.avg_pool2d(x, 2),
        (RANDOM.integers(-99, 99, (1, 4, 6, 5)),),
        reason="ExecuTorch's own kernel",
    ),
]


@pytest.mark.parametrize("case", INTEGERS, ids=str)
def test_integers_are_convolved_and_pooled(case: Case) -> None:
    """Quotients are truncated."""
    check(case, INTEGERS)


def test_unsigned_integers_of_16_and_32_bits_are_moved_and_converted() -> None:
    """uint16 and uint32: transposed, and back. ExecuTorch's exporter writes no uint64."""
    whole = np.arange(24, dtype=np.int64).reshape(4, 6)

    def call(t: Any, x: Any) -> Any:
        return [x.to(getattr(t, name)).t().clone().to(t.int64) for name in ("uint16", "uint32")]

    check(Case("unsigned", call, (whole,), oracle="torch"), ())


@pytest.mark.parametrize(
    ("name", "bits"),
    [("float16", np.arange(2**16)), ("bfloat16", np.arange(2**16))],
)
def test_every_number_of_16_bits_is_converted_and_rounded_as_pytorch_does(name: str, bits: Array) -> None:
    """All 65536 to float32 and back, and the middles between neighbours, which are rounded to even."""
    import torch

    numbers = (
        torch.from_numpy(bits.astype(np.uint16).view(np.int16)).view(getattr(torch, name)).to(torch.float32).numpy()
    )
    ordered = np.sort(numbers[np.isfinite(numbers)])
    middles = ((ordered[1:].astype(np.float64) + ordered[:-1]) / 2).astype(np.float32)
    inputs = np.concatenate([numbers, middles, np.float32([1e9, -1e9, 3.4e38, 65519, 65520, 1e-9])])

    def call(t: Any, x: Any) -> Any:
        return x.to(getattr(t, name)).to(t.float32)

    check(Case(name, call, (inputs,), ulp=0, oracle="both"), ())
