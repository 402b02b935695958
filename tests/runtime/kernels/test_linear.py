"""Products of matrices and convolutions."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, 1, shape).astype(np.float32)


A, B, V = floats(5, 70), floats(70, 66), floats(66)
BATCH_A, BATCH_B = floats(3, 4, 7), floats(3, 7, 5)
WHOLE_A, WHOLE_B = (RANDOM.integers(-9, 9, shape).astype(np.int32) for shape in ((4, 6), (6, 3)))
ORDER = "products are summed in another order than ExecuTorch's"
NEAR = {"atol": 2e-5, "reason": ORDER}

MATRIX = [
    Case("mm", lambda t, a, b: a @ b, (A, B), **NEAR),
    Case("mm-transposed", lambda t, a, b: a @ b.t(), (A, floats(9, 70)), **NEAR),
    Case("mm-int32", lambda t, a, b: t.mm(a, b), (WHOLE_A, WHOLE_B)),
    Case("bmm", lambda t, a, b: t.bmm(a, b), (BATCH_A, BATCH_B), **NEAR),
    Case("matmul-broadcast", lambda t, a, b: a @ b, (BATCH_A, BATCH_B[0].copy()), **NEAR),
    Case("addmm", lambda t, c, a, b: t.addmm(c, a, b), (V, A, B), **NEAR),
    Case("addmm-scaled", lambda t, c, a, b: t.addmm(c, a, b, beta=0.5, alpha=2), (floats(5, 66), A, B), **NEAR),
    Case(
        "linear",
        lambda t, x, w, b: t.nn.functional.linear(x, w, b),
        (floats(2, 3, 70), floats(9, 70), floats(9)),
        **NEAR,
    ),
    Case("linear-plain", lambda t, x, w: t.nn.functional.linear(x, w), (A, floats(9, 70)), **NEAR),
    Case("einsum", lambda t, a, b: t.einsum("bik,bkj->bij", a, b), (BATCH_A, BATCH_B), **NEAR),
]

X1, X2, X3 = floats(2, 6, 20), floats(2, 6, 9, 11), floats(1, 4, 5, 6, 7)


def conv(dims, **how):  # type: ignore[no-untyped-def]
    return lambda t, *args: getattr(t.nn.functional, f"conv{dims}d")(*args, **how)


def transposed(dims, **how):  # type: ignore[no-untyped-def]
    return lambda t, *args: getattr(t.nn.functional, f"conv_transpose{dims}d")(*args, **how)


CONVOLUTION = [
    Case("conv1d", conv(1), (X1, floats(8, 6, 3), floats(8)), **NEAR),
    Case("conv1d-stride", conv(1, stride=2, padding=2, dilation=2), (X1, floats(8, 6, 3)), **NEAR),
    Case("conv2d", conv(2), (X2, floats(8, 6, 3, 3), floats(8)), **NEAR),
    Case("conv2d-1x1", conv(2), (X2, floats(8, 6, 1, 1), floats(8)), **NEAR),
    Case("conv2d-stride", conv(2, stride=(2, 1), padding=(1, 2)), (X2, floats(8, 6, 3, 5)), **NEAR),
    Case("conv2d-dilation", conv(2, dilation=(2, 3), padding=2), (X2, floats(8, 6, 3, 3)), **NEAR),
    Case("conv2d-groups", conv(2, groups=3, padding=1), (X2, floats(9, 2, 3, 3), floats(9)), **NEAR),
    Case("conv2d-depthwise", conv(2, groups=6, padding=1), (X2, floats(12, 1, 3, 3), floats(12)), **NEAR),
    Case("convT1d", transposed(1, stride=2), (X1, floats(6, 4, 3), floats(4)), **NEAR),
    Case("convT2d", transposed(2, stride=3, padding=1, output_padding=1), (X2, floats(6, 4, 3, 3), floats(4)), **NEAR),
    Case("convT2d-groups", transposed(2, stride=2, groups=2), (X2, floats(6, 4, 3, 3), floats(8)), **NEAR),
    Case("convT2d-dilation", transposed(2, dilation=2, padding=2), (X2, floats(6, 4, 3, 3)), **NEAR),
    Case(
        "conv2d-channels-last",
        lambda t, x, w: conv(2)(t, x.to(memory_format=t.channels_last), w.to(memory_format=t.channels_last)),
        (X2, floats(8, 6, 3, 3)),
        **NEAR,
    ),
]
CONVOLUTION_3D = [
    Case(
        "conv3d",
        conv(3, padding=1, stride=2),
        (X3, floats(5, 4, 3, 3, 3), floats(5)),
        atol=2e-5,
        reason="ExecuTorch has no convolution in three dimensions",
        oracle="torch",
    ),
]
CONVOLUTION_DYNAMIC = [
    Case("conv2d-dynamic", conv(2, padding=1), (X2, floats(8, 6, 3, 3)), dynamic=((0,), ()), **NEAR),
]


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_matrix(case: Case) -> None:
    """A product of matrices is ExecuTorch's up to the order of its sums."""
    check(case, MATRIX)


@pytest.mark.parametrize("case", CONVOLUTION, ids=str)
def test_convolution(case: Case) -> None:
    """A convolution is ExecuTorch's up to the order of its sums."""
    check(case, CONVOLUTION)


@pytest.mark.parametrize("case", CONVOLUTION_DYNAMIC, ids=str)
def test_dynamic_convolution(case: Case) -> None:
    """A convolution accepts any batch size."""
    check(case, CONVOLUTION_DYNAMIC)


@pytest.mark.parametrize("case", CONVOLUTION_3D, ids=str)
def test_convolution_in_three_dimensions(case: Case) -> None:
    """A convolution of volumes is PyTorch's."""
    check(case, CONVOLUTION_3D)
