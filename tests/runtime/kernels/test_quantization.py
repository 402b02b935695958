"""Quantize and dequantize, per tensor and per channel."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(0, 3, (2, 4, 5, 3)).astype(np.float32)
# Exact ties of 0.5 LSB, and values outside the range on both sides.
TIES = np.array([-1e9, -70.25, -0.75, -0.25, 0.25, 0.75, 1.25, 63.75, 1e9, 0.0], np.float32)
FAR = np.array([-1e30, 1e30, np.inf, -np.inf], np.float32)
BEYOND = "ExecuTorch converts to int64 before it clamps, which wraps beyond 2**63; PyTorch saturates"
Q8 = RANDOM.integers(-128, 128, (2, 4, 5, 3)).astype(np.int8)
U8 = RANDOM.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
Q16 = RANDOM.integers(-(2**15), 2**15, (2, 4, 5, 3)).astype(np.int16)
Q32 = RANDOM.integers(-(2**31), 2**31, (2, 4, 5, 3)).astype(np.int32)
SCALES = np.array([0.01, 0.25, 1.5, 0.3], np.float64)
ZEROS = np.array([0, 3, -7, 127], np.int64)

PARAMS = {
    "int8": (0.5, 3, -128, 127),
    "uint8": (0.02, 128, 0, 255),
    "int16": (0.0011, 0, -32768, 32767),
    "int32": (1e-6, 5, -(2**31), 2**31 - 1),
}


def quantize(name):  # type: ignore[no-untyped-def]
    return lambda t, x: t.ops.quantized_decomposed.quantize_per_tensor(x, *PARAMS[name], getattr(t, name))


def dequantize(name):  # type: ignore[no-untyped-def]
    return lambda t, q: t.ops.quantized_decomposed.dequantize_per_tensor(q, *PARAMS[name], getattr(t, name))


def per_channel(axis, low=-128, high=127):  # type: ignore[no-untyped-def]
    def call(t, x):  # type: ignore[no-untyped-def]
        scales, zeros = t.from_numpy(SCALES[: x.shape[axis]]), t.from_numpy(ZEROS[: x.shape[axis]])
        return t.ops.quantized_decomposed.quantize_per_channel(x, scales, zeros, axis, low, high, t.int8)

    return call


def back_per_channel(axis):  # type: ignore[no-untyped-def]
    def call(t, q):  # type: ignore[no-untyped-def]
        scales, zeros = t.from_numpy(SCALES[: q.shape[axis]]), t.from_numpy(ZEROS[: q.shape[axis]])
        return t.ops.quantized_decomposed.dequantize_per_channel(q, scales, zeros, axis, -128, 127, t.int8)

    return call


def bias(t, q):  # type: ignore[no-untyped-def]
    """As in a quantised convolution: int32 throughout."""
    scales, zeros = t.from_numpy(SCALES.astype(np.float32)), t.zeros(4, dtype=t.int32)
    ends = (-(2**31) + 1, 2**31 - 1)
    return t.ops.quantized_decomposed.dequantize_per_channel(q, scales, zeros, 0, *ends, t.int32)


CASES = [
    *(Case(f"quantize_per_tensor-{name}", quantize(name), (X,)) for name in PARAMS),
    Case("quantize_per_tensor-ties", quantize("int8"), (TIES,)),
    Case("quantize_per_tensor-ties-uint8", quantize("uint8"), (TIES,)),
    Case("quantize_per_tensor-far", quantize("int8"), (FAR,), reason=BEYOND, oracle="torch"),
    *(
        Case(f"dequantize_per_tensor-{name}", dequantize(name), (array,))
        for name, array in {"int8": Q8, "uint8": U8, "int16": Q16, "int32": Q32}.items()
    ),
    Case("quantize_per_channel-1", per_channel(1), (X,)),
    Case("quantize_per_channel-last", per_channel(3, -127), (X,)),
    Case("quantize_per_channel-first", per_channel(0), (X,)),
    Case("dequantize_per_channel-1", back_per_channel(1), (Q8,)),
    Case("dequantize_per_channel-last", back_per_channel(3), (Q8,)),
    Case("dequantize_per_channel-int32", bias, (Q32[0, :, 0, 0].copy(),)),
    Case("quantize-dynamic", quantize("int8"), (X,), dynamic=((0,),)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_quantization(case: Case) -> None:
    """Quantised and dequantised values are ExecuTorch's, also at ties and outside the range."""
    check(case, CASES)
