"""Operators that move data: copies, slices, concatenations and tensors made from numbers."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
Y = RANDOM.normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
M = RANDOM.normal(0, 3, (6, 7)).astype(np.float32)
Q = RANDOM.integers(-128, 128, (2, 3, 4, 5)).astype(np.int8)
L = RANDOM.integers(-(2**40), 2**40, (2, 3, 4, 5)).astype(np.int64)
B = RANDOM.integers(0, 2, (2, 3, 4, 5)).astype(bool)

COPY = [
    Case("view", lambda t, x: x.view(6, 20).clone(), (X,)),
    Case("view-free", lambda t, x: x.view(2, -1, 5).clone(), (Q,)),
    Case("squeeze", lambda t, x: x.view(2, 1, 3, 1, 20).squeeze(1).clone(), (X,)),
    Case("squeeze-all", lambda t, x: x.view(1, 2, 1, 60).squeeze().clone(), (L,)),
    Case("squeeze-not-one", lambda t, x: x.squeeze(0).clone(), (X,)),
    Case("unsqueeze", lambda t, x: x.unsqueeze(-1).clone(), (X,)),
    Case("unsqueeze-first", lambda t, x: x.unsqueeze(0).clone(), (B,)),
    Case("clone", lambda t, x: x.clone(), (X,)),
    Case("channels-last", lambda t, x: x.to(memory_format=t.channels_last).clone(), (X,)),
    Case(
        "channels-last-and-back",
        lambda t, x: x.to(memory_format=t.channels_last).to(memory_format=t.contiguous_format),
        (Q,),
    ),
    *(
        Case(f"to-{name}-{array.dtype}", lambda t, x, name=name: x.to(getattr(t, name)), (array,))
        for name in ("float32", "int8", "int16", "int32", "int64", "uint8", "bool")
        for array in (X, Q, L, B)
        if name != str(array.dtype) and not (array is X and name in ("uint8", "int8"))
    ),
]

SELECT = [
    Case("permute", lambda t, x: x.permute(0, 2, 3, 1).clone(), (X,)),
    Case("permute-int8", lambda t, x: x.permute(3, 1, -4, 2).clone(), (Q,)),
    Case("permute-int64", lambda t, x: x.permute(3, 1, 0, 2).clone(), (L,)),
    Case("transpose", lambda t, x: x.transpose(1, -1).clone(), (X,)),
    Case("t", lambda t, x: x.t().clone(), (M,)),
    Case("slice", lambda t, x: x[:, 1:3].clone(), (X,)),
    Case("slice-step", lambda t, x: x[..., ::2].clone(), (Q,)),
    Case("slice-negative", lambda t, x: x[:, :, -3:-1].clone(), (X,)),
    Case("slice-beyond", lambda t, x: x[:, 1:99].clone(), (X,)),
    Case("slice-empty", lambda t, x: x[:, 2:2].clone(), (X,)),
    Case("select", lambda t, x: x[:, 1].clone(), (X,)),
    Case("select-negative", lambda t, x: x.select(-1, -2).clone(), (L,)),
    Case("narrow", lambda t, x: t.narrow_copy(x, 2, 1, 2), (X,)),
    Case("expand", lambda t, x: x[:, :1].expand(-1, 4, -1, -1).clone(), (X,)),
    Case("expand-more", lambda t, x: x[:, 0].expand(2, 2, 4, 5).clone(), (Q,)),
    Case("flip", lambda t, x: x.flip(1, -1), (X,)),
    Case("flip-int8", lambda t, x: x.flip(0), (Q,)),
    Case("split", lambda t, x: [one.clone() for one in x.split(2, 2)], (X,)),
    Case("split-uneven", lambda t, x: [one.clone() for one in x.split(3, 3)], (Q,)),
    Case("split-sizes", lambda t, x: [one.clone() for one in x.split([1, 2, 2], 3)], (X,)),
    Case("chunk", lambda t, x: [one.clone() for one in x.chunk(2, 1)], (X,)),
    Case("unbind", lambda t, x: [one.clone() for one in x.unbind(1)], (X,)),
    Case("pixel_shuffle", lambda t, x: t.nn.functional.pixel_shuffle(x.view(1, 12, 2, 5), 2), (X,)),
    Case("pixel_shuffle-3", lambda t, x: t.nn.functional.pixel_shuffle(x.view(9, 2, 2), 3), (M[:, :6].copy(),)),
    Case("pixel_unshuffle", lambda t, x: t.nn.functional.pixel_unshuffle(x.view(1, 3, 4, 10), 2), (X,)),
]

JOIN = [
    Case("cat", lambda t, x, y: t.cat([x, y], 1), (X, Y)),
    Case("cat-uneven", lambda t, x, y: t.cat([x[:, :, 1:], y, x], 2), (X, Y)),
    Case("cat-negative", lambda t, x, y: t.cat([x, y], -1), (Q, Q)),
    Case("cat-types", lambda t, x, y: t.cat([x, y], 0), (X, Q)),
    Case("stack", lambda t, x, y: t.stack([x, y], 1), (X, Y)),
    Case("stack-last", lambda t, x, y: t.stack([x, y], -1), (Q, Q)),
    Case("repeat", lambda t, x: x.repeat(2, 1, 3, 1), (X,)),
    Case("repeat-more", lambda t, x: x.repeat(2, 2, 3), (M,)),
    Case("pad", lambda t, x: t.nn.functional.pad(x, (1, 2, 0, 3)), (X,)),
    Case("pad-value", lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 0, 1, 1), value=-2.5), (X,)),
    Case("pad-int8", lambda t, x: t.nn.functional.pad(x, (1, 1), value=-7), (Q,)),
]

CREATE = [
    Case("full", lambda t, x: x + t.full((4, 5), 2.5), (X,)),
    Case("full-int", lambda t, x: x + t.full((5,), 3, dtype=t.int64), (L,)),
    Case("full_like", lambda t, x: x + t.full_like(x, 1.5), (X,)),
    Case("zeros-ones", lambda t, x: t.cat([x, t.zeros(2, 1, 4, 5), t.ones(2, 1, 4, 5)], 1), (X,)),
    Case("scalar_tensor", lambda t, x: t.where(x > 0, x, t.scalar_tensor(0.5)), (X,)),
    Case("arange", lambda t, x: x + t.arange(5), (L,)),
    Case("arange-start", lambda t, x: x + t.arange(1, 10, 2), (L,)),
    Case("arange-float", lambda t, x: x + t.arange(0.5, 3.0, 0.5), (X,)),
    Case("arange-down", lambda t, x: x + t.arange(5, 0, -1), (Q,)),
]

PLACES = np.array([2, 0, 2, 1], np.int64)
G = RANDOM.integers(0, 3, (2, 2, 4, 5)).astype(np.int64)
WORDS = RANDOM.integers(0, 6, (2, 3)).astype(np.int64)
INDEX = [
    Case("index_select", lambda t, x, i: t.index_select(x, 1, i), (X, PLACES)),
    Case("index_select-int8", lambda t, x, i: t.index_select(x, -1, i), (Q, PLACES.astype(np.int32))),
    Case("gather", lambda t, x, i: t.gather(x, 1, i), (X, G)),
    Case("gather-last", lambda t, x, i: t.gather(x, 3, i), (Q, G)),
    Case("embedding", lambda t, w, i: t.nn.functional.embedding(i, w), (M, WORDS)),
    Case("index", lambda t, x, i: x[:, i], (X, PLACES)),
    Case("index-two", lambda t, x, i: x[:, i, i], (X, PLACES)),
    Case("index-apart", lambda t, x, i: x[i - 2, :, :, i], (X, PLACES)),
    Case("index-broadcast", lambda t, x, i: x[:, i.view(4, 1), i], (Q, PLACES)),
    Case("index-negative", lambda t, x, i: x[..., i - 3], (L, PLACES)),
]


@pytest.mark.parametrize("case", INDEX, ids=str)
def test_index(case: Case) -> None:
    """Elements chosen by indices are ExecuTorch's."""
    check(case, INDEX)


DYNAMIC = [
    Case("view-dynamic", lambda t, x: x.view(x.shape[0], 60) + 1, (X,), dynamic=((0,),)),
    Case("cat-dynamic", lambda t, x, y: t.cat([x, y], 1) * 2, (X, Y), dynamic=((0,), (0,))),
    Case("slice-dynamic", lambda t, x: x[:, :2] * 3, (X,), dynamic=((0, 2),)),
    Case("permute-dynamic", lambda t, x: x.permute(0, 2, 3, 1) * 2, (X,), dynamic=((0,),)),
]


@pytest.mark.parametrize("case", COPY, ids=str)
def test_copy(case: Case) -> None:
    """A copy in another shape, type or memory order has ExecuTorch's values."""
    check(case, COPY)


@pytest.mark.parametrize("case", SELECT, ids=str)
def test_select(case: Case) -> None:
    """A slice, or another order of dimensions, has ExecuTorch's values."""
    check(case, SELECT)


@pytest.mark.parametrize("case", JOIN, ids=str)
def test_join(case: Case) -> None:
    """Concatenated tensors have ExecuTorch's values."""
    check(case, JOIN)


@pytest.mark.parametrize("case", CREATE, ids=str)
def test_create(case: Case) -> None:
    """Tensors made from numbers have ExecuTorch's values."""
    check(case, CREATE)


@pytest.mark.parametrize("case", DYNAMIC, ids=str)
def test_dynamic_shapes(case: Case) -> None:
    """Shapes that depend on the input's are computed at run time."""
    check(case, DYNAMIC)
