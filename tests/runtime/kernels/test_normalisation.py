"""Softmax and the normalisations."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(0, 3, (2, 6, 4, 10)).astype(np.float32)
BIG = (X * 40).astype(np.float32)
ROW = RANDOM.normal(1, 0.5, (10,)).astype(np.float32)
CHANNEL = RANDOM.normal(1, 0.5, (6,)).astype(np.float32)
ORDER = "sums in another order and precision than ExecuTorch's"


def batch_norm(t, x, w, b):  # type: ignore[no-untyped-def]
    mean, var = t.arange(6) * 0.3 - 1, t.arange(6) * 0.5 + 0.5
    return t.nn.functional.batch_norm(x, mean, var, w, b)


SOFTMAX = [
    Case("softmax", lambda t, x: x.softmax(-1), (X,), 8, reason=ORDER),
    Case("softmax-1", lambda t, x: x.softmax(1), (X,), 8, reason=ORDER),
    Case("softmax-big", lambda t, x: x.softmax(2), (BIG,), 64, 1e-37, "exp of -200 and less is subnormal"),
    Case("log_softmax", lambda t, x: x.log_softmax(-1), (X,), 4, 1e-6, ORDER),
    Case("log_softmax-1", lambda t, x: x.log_softmax(1), (BIG,), 4, 1e-5, ORDER),
]
NORM = [
    Case("layer_norm", lambda t, x, w, b: t.nn.functional.layer_norm(x, (10,), w, b), (X, ROW, ROW), 4, 2e-6, ORDER),
    Case("layer_norm-plain", lambda t, x: t.nn.functional.layer_norm(x, (4, 10)), (X,), 4, 2e-6, ORDER),
    Case(
        "group_norm", lambda t, x, w, b: t.nn.functional.group_norm(x, 3, w, b), (X, CHANNEL, CHANNEL), 4, 2e-6, ORDER
    ),
    Case("group_norm-plain", lambda t, x: t.nn.functional.group_norm(x, 2), (X,), 4, 2e-6, ORDER),
    Case("batch_norm", batch_norm, (X, CHANNEL, CHANNEL), 4, 2e-6, ORDER),
    Case("batch_norm-plain", lambda t, x: batch_norm(t, x, None, None), (X,), 4, 2e-6, ORDER),
    Case("instance_norm", lambda t, x: t.nn.functional.instance_norm(x), (X,), 4, 2e-6, ORDER),
]


@pytest.mark.parametrize("case", SOFTMAX, ids=str)
def test_softmax(case: Case) -> None:
    """Softmax and its logarithm are ExecuTorch's, far from zero too."""
    check(case, SOFTMAX)


@pytest.mark.parametrize("case", NORM, ids=str)
def test_norm(case: Case) -> None:
    """A normalisation is ExecuTorch's."""
    check(case, NORM)
