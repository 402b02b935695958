"""Quantize and dequantize, per tensor and per channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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


def of_tensors(name):  # type: ignore[no-untyped-def]
    def call(t, x, scale, zero):  # type: ignore[no-untyped-def]
        return getattr(t.ops.quantized_decomposed, name).tensor(x, scale, zero, -128, 127, t.int8)

    return call


def choose(low, high):  # type: ignore[no-untyped-def]
    return lambda t, x: list(t.ops.quantized_decomposed.choose_qparams.tensor(x, low, high, 1e-5, t.int8))


def choose_per_token(t, x):  # type: ignore[no-untyped-def]
    return list(t.ops.quantized_decomposed.choose_qparams_per_token_asymmetric(x, t.int8))


def per_token(t, x, scales, zeros):  # type: ignore[no-untyped-def]
    return t.ops.quantized_decomposed.quantize_per_token(x, scales, zeros, -128, 127, t.int8)


def back_per_token(t, q, scales, zeros):  # type: ignore[no-untyped-def]
    return t.ops.quantized_decomposed.dequantize_per_token(q, scales, zeros, -128, 127, t.int8, t.float32)


def embedding(name, ends, **how):  # type: ignore[no-untyped-def]
    def call(t, table, indices, scales, zeros=None):  # type: ignore[no-untyped-def]
        function = getattr(t.ops.quantized_decomposed, name)
        if how:
            return function.dtype(table, scales, zeros, *ends, indices, dtype=t.float32)
        return function(table, scales, zeros, *ends, indices)

    return call


def add(low=0, high=255):  # type: ignore[no-untyped-def]
    ends = (low, high)
    return lambda t, a, b: t.ops.quantized_decomposed.add(a, 0.11, 3, *ends, b, 0.23, 7, *ends, 0.3, 9, *ends)


def mixed(name):  # type: ignore[no-untyped-def]
    return lambda t, x, weight, scales: getattr(t.ops.quantized_decomposed, name)(x, weight, scales, None)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(0, 3, shape).astype(np.float32)


def whole(low: int, high: int, dtype: str, *shape: int) -> np.ndarray:
    return RANDOM.integers(low, high, shape).astype(dtype)


def embeddings() -> Iterator[Case]:
    indices = np.array([[1, 4, 4], [0, 6, 2]])
    for groups in ((), (4,)):
        scales, zeros = floats(7, *groups), floats(7, *groups)
        for name, ends in {"byte": (-128, 127), "4bit": (-8, 7), "2bit": (-2, 1)}.items():
            table = whole(-128, 128, "int8", 7, 16) if name == "byte" else whole(0, 256, "uint8", 7, 16)
            label = f"embedding-{name}-{len(groups) + 1}d"
            yield Case(label, embedding(f"embedding_{name}", ends), (table, indices, scales, zeros))
            yield Case(f"{label}-plain", embedding(f"embedding_{name}", ends), (table, indices, scales))
            typed = embedding(f"embedding_{name}", ends, dtype=True)
            yield Case(f"{label}-dtype", typed, (table, indices, scales, zeros))
    table = whole(0, 256, "uint8", 7, 16)
    yield Case("embedding-byte-uint8", embedding("embedding_byte", (0, 255)), (table, indices, scales, zeros))


ONE = (np.array([0.031], np.float64), np.array([5]))
TOKENS = (RANDOM.uniform(0.01, 0.2, (2, 4, 5, 1)), whole(-9, 9, "int64", 2, 4, 5, 1))
POSITIVE, TINY, TINY_POSITIVE = np.abs(X) + 1, X * np.float32(1e-5), np.abs(X) * np.float32(1e-5)

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
    Case("quantize_per_tensor-tensors", of_tensors("quantize_per_tensor"), (X, *ONE)),
    Case("dequantize_per_tensor-tensors", of_tensors("dequantize_per_tensor"), (Q8, *ONE)),
    *(
        Case(f"choose-{name}", choose(-128, 127), (array,))
        for name, array in {
            "both": X,
            "positive": POSITIVE,
            "negative": -POSITIVE,
            "tiny": TINY,
            "tiny-positive": TINY_POSITIVE,
            "tiny-negative": -TINY_POSITIVE,
            "zero": np.zeros_like(X),
        }.items()
    ),
    Case("choose-uint8", choose(0, 255), (X,)),
    Case("choose-per_token", choose_per_token, (X,)),
    Case("per_token", per_token, (X, *TOKENS)),
    Case("per_token-back", back_per_token, (Q8, *TOKENS)),
    *embeddings(),
    Case("add-uint8", add(), (U8, U8[::-1].copy())),
    Case("add-int8", add(0, 127), (Q8, Q8[::-1].copy())),
    Case("add-int16", add(), (Q16 // 64, Q16[::-1] // 64)),
    Case("add-int32", add(), (Q32 // 2**20, Q32[::-1] // 2**20)),
    Case("mixed_mm", mixed("mixed_mm"), (floats(4, 13), Q8.reshape(-1)[:78].reshape(13, 6).copy(), floats(13))),
    Case("mixed_linear", mixed("mixed_linear"), (floats(4, 12), Q8.reshape(-1)[:60].reshape(5, 12).copy(), floats(5))),
    Case(
        "mixed_linear-groups",
        mixed("mixed_linear"),
        (floats(4, 12), Q8.reshape(-1)[:60].reshape(5, 12).copy(), floats(5, 3)),
    ),
    Case("quantize-dynamic", quantize("int8"), (X,), dynamic=((0,),)),
]


@pytest.fixture(scope="module", autouse=True)
def _operators() -> Iterator[None]:
    """Registers the operators that PyTorch lacks, for the number and shapes of their results alone."""
    import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401
    import torch

    library = torch.library.Library("quantized_decomposed", "FRAGMENT")

    def add(a: Any, *others: Any) -> Any:
        return torch.empty_like(a)

    def mixed_mm(x: Any, weight: Any, scales: Any, zeros: Any) -> Any:
        return x.new_empty(x.shape[0], weight.shape[1])

    def mixed_linear(x: Any, weight: Any, scales: Any, zeros: Any, dtype: Any = None) -> Any:
        return x.new_empty(x.shape[0], weight.shape[0])

    for function in (add, mixed_mm, mixed_linear):
        library.impl(function.__name__, function, "CompositeExplicitAutograd")
        torch.library.register_fake(f"quantized_decomposed::{function.__name__}", function, lib=library)
    yield
    library._destroy()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_quantization(case: Case) -> None:
    """Quantised and dequantised values are ExecuTorch's, also at ties and outside the range."""
    check(case, CASES)
