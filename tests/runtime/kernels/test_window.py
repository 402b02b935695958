"""Pooling and resizing."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(0, 3, (2, 3, 9, 11)).astype(np.float32)
NAN = X.copy()
NAN[0, 1, 4, 5] = np.nan
Q = RANDOM.integers(-128, 128, (2, 3, 9, 11)).astype(np.int8)
WHOLE = ("int8", "uint8", "int16", "int32", "int64")
MEAN = {"ulp": 8, "atol": 1e-6, "reason": "sums in another order than ExecuTorch's"}


def function(name, *args, **how):  # type: ignore[no-untyped-def]
    return lambda t, x: getattr(t.nn.functional, name)(x, *args, **how)


def nearest(*size):  # type: ignore[no-untyped-def]
    return lambda t, x: t.ops.aten.upsample_nearest2d.vec(x, size, None)


def bilinear(corners):  # type: ignore[no-untyped-def]
    return lambda t, x: t.ops.aten.upsample_bilinear2d.vec(x, [13, 20], corners, None)


POOL = [
    Case("avg", function("avg_pool2d", 3), (X,), **MEAN),
    Case("avg-pad", function("avg_pool2d", 3, 2, 1), (X,), **MEAN),
    Case("avg-pad-valid", function("avg_pool2d", 3, 2, 1, count_include_pad=False), (X,), **MEAN),
    Case("avg-ceil", function("avg_pool2d", (4, 3), (3, 2), 1, ceil_mode=True), (X,), **MEAN),
    Case("avg-divisor", function("avg_pool2d", 2, divisor_override=3), (X,), **MEAN),
    Case("avg-3d", lambda t, x: t.nn.functional.avg_pool2d(x[0], 2), (X,), **MEAN),
    Case("max", function("max_pool2d", 3), (X,)),
    Case("max-pad", function("max_pool2d", 3, 2, 1), (X,)),
    Case("max-ceil", function("max_pool2d", 3, 2, 1, ceil_mode=True), (X,)),
    Case("max-dilation", function("max_pool2d", 3, 1, 1, dilation=2), (X,)),
    Case(
        "max-nan",
        function("max_pool2d", 3, 2),
        (NAN,),
        reason="ExecuTorch lets a number after it win over what is not one, PyTorch does not",
        oracle="torch",
    ),
    Case("max-int8", function("max_pool2d", (2, 3), (2, 1)), (Q,)),
    Case("max-places", lambda t, x: list(t.nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True)), (X,)),
    Case("max-1d", lambda t, x: t.nn.functional.max_pool1d(x[0], 3, 2), (X,)),
    Case("adaptive", function("adaptive_avg_pool2d", (4, 5)), (X,), **MEAN),
    Case("adaptive-1", function("adaptive_avg_pool2d", 1), (X,), **MEAN),
]
UPSAMPLE = [
    Case("nearest-2", function("interpolate", scale_factor=2), (X,)),
    Case("nearest-size", function("interpolate", size=(13, 7)), (X,)),
    Case("nearest-factor", function("interpolate", scale_factor=(1.7, 0.6)), (X,)),
    Case("nearest-wide", function("interpolate", size=(20, 71)), (X,)),
    *(Case(f"nearest-wide-{kind}", nearest(20, 71), (Q.astype(kind),), results=1) for kind in WHOLE),
    Case("nearest-rows", nearest(27, 33), (Q,), results=1),
    Case("nearest-channels-last", lambda t, x: nearest(20, 34)(t, x.to(memory_format=t.channels_last)), (X,)),
    Case(
        "bilinear-2",
        function("interpolate", scale_factor=2, mode="bilinear"),
        (X,),
        atol=1e-6,
        reason="products in another order",
    ),
    Case(
        "bilinear-size",
        function("interpolate", size=(5, 20), mode="bilinear"),
        (X,),
        atol=2e-6,
        reason="products in another order",
    ),
    Case(
        "bilinear-corners",
        function("interpolate", size=(17, 6), mode="bilinear", align_corners=True),
        (X,),
        atol=2e-6,
        reason="products in another order",
    ),
    Case(
        "bilinear-factor",
        function("interpolate", scale_factor=(1.7, 0.6), mode="bilinear"),
        (X,),
        atol=2e-6,
        reason="products in another order",
    ),
    Case(
        "bilinear-same-size",
        lambda t, x: t.ops.aten.upsample_bilinear2d.vec(x, None, False, [1.05, 1.05]),
        (X,),
        reason="the scale is not heeded",
    ),
    *(Case(f"bilinear-{kind}", bilinear(False), (Q.astype(kind),), results=1) for kind in WHOLE),
    *(Case(f"bilinear-corners-{kind}", bilinear(True), (Q.astype(kind),), results=1) for kind in WHOLE),
]


@pytest.mark.parametrize("case", POOL, ids=str)
def test_pool(case: Case) -> None:
    """A window's mean or largest element is ExecuTorch's."""
    check(case, POOL)


@pytest.mark.parametrize("case", UPSAMPLE, ids=str)
def test_upsample(case: Case) -> None:
    """A resized image is ExecuTorch's."""
    check(case, UPSAMPLE)
