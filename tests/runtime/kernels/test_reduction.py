"""Reductions."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(0, 3, (3, 4, 5, 70)).astype(np.float32)
NAN = X[:, :, :, :9].copy()
NAN[1, 2, 3, 4] = np.nan
Q = RANDOM.integers(-128, 128, (3, 4, 5)).astype(np.int8)
L = RANDOM.integers(-(2**40), 2**40, (3, 4, 5)).astype(np.int64)
B = RANDOM.integers(0, 8, (3, 4, 5)) == 0
TIED = RANDOM.integers(0, 4, (6, 9)).astype(np.float32)
ORDER = "ours is summed in double precision, ExecuTorch's in single and in an order of its own"

SUM = [
    Case("sum", lambda t, x: x.sum(-1), (X,), atol=3e-5, reason=ORDER),
    Case("sum-keep", lambda t, x: x.sum((1, 3), keepdim=True), (X,), atol=1e-4, reason=ORDER),
    Case("sum-all", lambda t, x: x.sum(), (X,), atol=2e-4, reason=ORDER),
    Case("sum-int8", lambda t, x: x.sum(1), (Q,)),
    Case("sum-bool", lambda t, x: x.sum((0, 2)), (B,)),
    Case("sum-int32", lambda t, x: x.sum(1, dtype=t.int32), (L,)),
    Case("mean", lambda t, x: x.mean((2, 3)), (X,), atol=1e-6, reason=ORDER),
    Case("mean-keep", lambda t, x: x.mean(-1, keepdim=True), (X,), atol=1e-6, reason=ORDER),
    Case("mean-all", lambda t, x: x.mean(), (X,), atol=1e-6, reason=ORDER),
    Case("prod", lambda t, x: x[..., :5].prod(-1), (X,), 8, reason=ORDER),
    Case("prod-int8", lambda t, x: x.prod(1), (Q,)),
    Case("prod-all", lambda t, x: x.view(-1)[:7].prod(), (Q,)),
    Case("var", lambda t, x: x.var(-1), (X,), 8, reason=ORDER),
    Case("var-biased", lambda t, x: x.var((1, 2), correction=0, keepdim=True), (X,), 4, reason=ORDER),
    Case("std", lambda t, x: x.std(2), (X,), 4, reason=ORDER),
    Case("cumsum", lambda t, x: x.cumsum(2), (X,), atol=1e-6, reason=ORDER),
    Case("cumsum-last", lambda t, x: x.cumsum(-1), (Q,)),
    Case("cumsum-bool", lambda t, x: x.cumsum(0), (B,)),
]

EXTREME = [
    *(
        Case(f"{name}-{kind}", lambda t, x, name=name: getattr(x, name)(1), (array,))
        for name in ("amax", "amin", "argmax", "argmin")
        for kind, array in {"float": X, "nan": NAN, "int8": Q, "int64": L, "tied": TIED}.items()
    ),
    Case("amax-dims", lambda t, x: x.amax((1, 3), keepdim=True), (X,)),
    Case("argmax-all", lambda t, x: x.argmax(), (X,)),
    Case("argmax-keep", lambda t, x: x.argmax(2, keepdim=True), (X,)),
    Case("max-all", lambda t, x: x.max(), (X,)),
    Case("min-all", lambda t, x: x.min(), (Q,)),
    Case("max-dim", lambda t, x: list(x.max(1)), (X,)),
    Case("max-dim-tied", lambda t, x: list(x.max(1)), (TIED,)),
    Case("min-dim-keep", lambda t, x: list(x.min(-1, keepdim=True)), (Q,)),
    Case("any", lambda t, x: x.any(1), (B,)),
    Case("any-float", lambda t, x: (x > 2).float().any(1, keepdim=True), (X,)),
    Case("any-dims", lambda t, x: t.any(x, (0, 2)), (B,)),
    Case("any-all", lambda t, x: x.any(), (B,)),
    Case("all", lambda t, x: x.logical_not().all(2), (B,)),
    Case("topk", lambda t, x: list(x.topk(3, -1)), (X,)),
    Case("topk-least", lambda t, x: list(x.topk(4, 1, largest=False)), (X,)),
    Case("topk-int64", lambda t, x: list(x.topk(2, 0)), (L,)),
]
SUM_DYNAMIC = [Case("mean-dynamic", lambda t, x: x.mean(1) * 2, (X,), atol=1e-6, reason=ORDER, dynamic=((0, 2),))]


@pytest.mark.parametrize("case", SUM, ids=str)
def test_sum(case: Case) -> None:
    """Sums, means, products and variances are ExecuTorch's."""
    check(case, SUM)


@pytest.mark.parametrize("case", EXTREME, ids=str)
def test_extreme(case: Case) -> None:
    """The largest, the smallest and their indices are ExecuTorch's, with ties and NaN."""
    check(case, EXTREME)


@pytest.mark.parametrize("case", SUM_DYNAMIC, ids=str)
def test_dynamic_reduction(case: Case) -> None:
    """The result of a dynamic reduction has the size that follows from the input."""
    check(case, SUM_DYNAMIC)
