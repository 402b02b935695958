"""Operators that compute with many elements: distances, sampling, gradients, statistics, random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Array, Case, check, compile_cases

from etbuild.host.program import HostProgram

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(22)
ORDER = "sums in another order or precision"
INF = float("inf")


def floats(*shape: int) -> Array:
    return RANDOM.normal(0, 2, shape).astype(np.float32)


def both(name: str, call, *inputs: Array, ulp: int = 2, atol: float = 0.0) -> Case:  # type: ignore[no-untyped-def]
    return Case(name, call, inputs, ulp, atol, ORDER if atol else "", "both")


X, Y = floats(2, 1, 5, 7), floats(3, 4, 7)
DISTANCE = [
    *(
        both(f"cdist-{p}", lambda t, x, y, p=p: t.ops.aten._cdist_forward(x, y, p, None), X, Y, ulp=8, atol=1e-5)
        for p in (0.0, 1.0, 2.0, 3.5, INF)
    ),
    both("cdist-mode", lambda t, x, y: t.ops.aten._cdist_forward(x, y, 2.0, 2), Y, Y, ulp=8, atol=1e-5),
    *(
        both(f"pdist-{p}", lambda t, x, p=p: t.ops.aten._pdist_forward(x, p), floats(6, 5), ulp=8, atol=1e-5)
        for p in (0.0, 1.0, 2.0, 2.7, INF)
    ),
]
IMAGE, GRID = floats(2, 3, 5, 4), RANDOM.uniform(-1.6, 1.6, (2, 6, 5, 2)).astype(np.float32)
IMAGE_OF_INTEGERS, PLACES = RANDOM.integers(-90, 90, (2, 3, 5, 4)), RANDOM.integers(-6, 7, (2, 6, 5, 2))
SAMPLE = [
    both(
        f"{mode}-{padding}-{corners}",
        lambda t, x, g, m=mode, p=padding, c=corners: t.nn.functional.grid_sample(x, g, m, p, c),
        *(IMAGE, GRID),
        ulp=8,
        atol=2e-5 if mode == "bicubic" else 5e-6,
    )
    for mode in ("bilinear", "nearest", "bicubic")
    for padding in ("zeros", "border", "reflection")
    for corners in (False, True)
]
SAMPLE += [
    Case(
        f"{mode}-{padding}-{corners}-{kind}",
        lambda t, x, g, how=(mode, padding, corners): t.ops.aten.grid_sampler_2d(x, g, *how),
        (IMAGE_OF_INTEGERS.astype(kind), PLACES.astype(kind)),
        results=1,
    )
    for mode in range(3)
    for padding in range(3)
    for corners in (False, True)
    for kind in ("int8", "int32")
]


def resize_aa(t, x, size, corners, factors=(None, None)):  # type: ignore[no-untyped-def]
    return t.ops.aten._upsample_bilinear2d_aa(x, list(size), corners, *factors)


UPSAMPLE = [
    *(
        both(f"aa-{h}x{w}", lambda t, x, s=(h, w): resize_aa(t, x, s, False), floats(2, 3, 9, 11), ulp=8, atol=2e-6)
        for h, w in ((4, 5), (9, 3), (20, 11), (1, 1))
    ),
    both("aa-factors", lambda t, x: resize_aa(t, x, (4, 5), False, (0.5, 0.5)), floats(1, 2, 9, 11), ulp=8, atol=2e-6),
    Case("aa-corners", lambda t, x: resize_aa(t, x, (4, 5), True), (floats(1, 2, 9, 11),), 8, 2e-6, ORDER),
]


def convolution(t, slope, x, w, stride=1, pad=0, dilation=1, groups=1, mask=(True, True, True)):  # type: ignore[no-untyped-def]
    steps = [[n, n] for n in (stride, pad, dilation)]
    sizes = [w.shape[0]]
    made = t.ops.aten.convolution_backward(slope, x, w, sizes, *steps, False, [0, 0], groups, list(mask))
    return [one for one in made if one is not None]


PLACES = np.argsort(RANDOM.normal(size=(2, 3, 36)), axis=2)[:, :, :9].reshape(2, 3, 3, 3)
BACKWARD = [
    both("convolution", convolution, floats(2, 3, 6, 6), floats(2, 4, 8, 8), floats(3, 4, 3, 3), ulp=8, atol=4e-5),
    both(
        "convolution-groups",
        lambda t, s, x, w: convolution(t, s, x, w, 2, 1, 2, 2),
        *(floats(1, 6, 4, 4), floats(1, 4, 9, 9), floats(6, 2, 3, 3)),
        ulp=8,
        atol=4e-5,
    ),
]
STATISTICS = [
    *(
        both(
            f"var_mean-{dims}-{keep}-{correction}",
            lambda t, x, d=dims, k=keep, c=correction: list(t.var_mean(x, d, correction=c, keepdim=k)),
            floats(3, 4, 5),
            ulp=8,
            atol=1e-6,
        )
        for dims, keep, correction in ((None, False, 1), ((1,), True, 0), ((0, -1), False, 2), ((2,), False, 1))
    ),
]
TORCH_ALONE = [
    Case(
        "max_pool",
        lambda t, s, x, i: t.ops.aten.max_pool2d_with_indices_backward(s, x, [2, 2], [2, 2], [0, 0], [1, 1], False, i),
        (floats(2, 3, 3, 3), floats(2, 3, 6, 6), PLACES),
        reason="ExecuTorch adds to what was in the memory before",
        oracle="torch",
    ),
]
TABLES = {
    "distance": DISTANCE,
    "grid_sampler": SAMPLE,
    "upsample_aa": UPSAMPLE,
    "backward": BACKWARD,
    "var_mean": STATISTICS,
    "torch": TORCH_ALONE,
}


@pytest.mark.parametrize(("table", "case"), [(name, case) for name, table in TABLES.items() for case in table], ids=str)
def test_sums_are_those_of_pytorch_and_executorch(table: str, case: Case) -> None:
    """Every mode; within the bound of each case."""
    check(case, TABLES[table])


def run(call, *inputs: Array) -> tuple[HostProgram, tuple[Array, ...]]:  # type: ignore[no-untyped-def]
    program = HostProgram(compile_cases([Case("one", call, inputs)]))
    return program, program.run(*inputs)


def test_random_numbers_have_their_distributions_and_differ_between_calls() -> None:
    """Uniform in 0 .. 1; normal; each call another sequence."""

    def numbers(t, x):  # type: ignore[no-untyped-def]
        return [t.rand(4096) * x, t.rand(4096) * x, t.randn(4096) * x]

    _, (one, two, normal) = run(numbers, np.ones(1, np.float32))

    assert one.min() >= 0
    assert max(one.max(), two.max()) < 1
    assert abs(one.mean() - 0.5) < 0.02
    assert abs(one.var() - 1 / 12) < 0.01
    assert (one != two).mean() > 0.99
    assert abs(normal.mean()) < 0.06
    assert abs(normal.std() - 1) < 0.04
    assert 0.66 < (np.abs(normal) < 1).mean() < 0.71


@pytest.mark.parametrize(("p", "train"), [(0.25, True), (0.0, True), (1.0, True), (0.25, False)])
def test_dropout_keeps_and_scales_elements_as_pytorch_defines_it(p: float, train: bool) -> None:
    """x / (1 - p) where the mask is true, else 0; not in training, x."""
    x = RANDOM.uniform(1, 2, 4096).astype(np.float32)

    _, (out, mask) = run(lambda t, x: list(t.ops.aten.native_dropout(x, p, train)), x)

    kept = 1 - p if train else 1.0
    assert abs(mask.mean() - kept) < 0.03
    scale = np.float32(1 / kept if kept else 0)
    np.testing.assert_allclose(out, np.where(mask, x * scale, 0), rtol=2e-7)
