"""Operators that put elements at other places: indexed, masked, scattered, padded and rearranged."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Array, Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(20)
TYPES = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")


def numbers(shape: tuple[int, ...], dtype: str = "float32") -> Array:
    """Random elements, small enough that sums of them are exact."""
    if dtype == "float32":
        return np.asarray(RANDOM.integers(-40, 40, shape) / 8, np.float32)
    low, high = (0, 2) if dtype == "bool" else (0, 100) if dtype == "uint8" else (-50, 50)
    return np.asarray(RANDOM.integers(low, high, shape), dtype)


def places(shape: tuple[int, ...], below: int, dtype: str = "int64") -> Array:
    return RANDOM.integers(0, below, shape).astype(dtype)


def both(name: str, call, *inputs: Array, **how) -> Case:  # type: ignore[no-untyped-def]
    """Compared with PyTorch and with ExecuTorch's portable kernel."""
    return Case(name, call, inputs, oracle="both", **how)


X = numbers((2, 4, 5, 6))
MASK = numbers((2, 4, 5, 6), "bool")

REARRANGE = [
    *(both(f"roll-{t}", lambda t, x: t.roll(x, (1, -2, 9), (0, 3, -1)), numbers((2, 4, 5, 6), t)) for t in TYPES),
    both("roll-one", lambda t, x: t.roll(x, 7, 2), X),
    *(both(f"tril-{t}-{d}", lambda t, x, d=d: t.tril(x, d), numbers((3, 5, 4), t)) for t in TYPES for d in (0, -2)),
    both("tril-above", lambda t, x: t.tril(x, 3), X),
    both("tril-all", lambda t, x: t.tril(x, -99), X),
    *(
        both(f"diagonal-{offset}-{a}-{b}", lambda t, x, o=offset, a=a, b=b: t.diagonal_copy(x, o, a, b), X)
        for offset in (0, 2, -3, 9, -9)
        for a, b in ((1, 2), (-1, 0))
    ),
    both("diagonal-int8", lambda t, x: t.diagonal_copy(x), numbers((4, 3), "int8")),
    *(
        both(f"unfold-{d}-{size}-{step}", lambda t, x, d=d, n=size, s=step: t.unfold_copy(x, d, n, s), X)
        for d, size, step in ((3, 3, 2), (1, 4, 1), (-2, 1, 3), (0, 2, 7))
    ),
    both("unfold-int64", lambda t, x: t.unfold_copy(x, 0, 2, 3), numbers((9,), "int64")),
    both("as_strided", lambda t, x: t.as_strided_copy(x, (3, 4), (7, 2), 5), X),
    both("as_strided-overlap", lambda t, x: t.as_strided_copy(x, (2, 3, 1), (0, 1, 99)), numbers((12,), "int8")),
    both("as_strided-bool", lambda t, x: t.as_strided_copy(x, (2, 2), (1, 2)), numbers((3, 3), "bool")),
    *(
        both(f"fill-{t}", lambda t, x, y: t.fill(x, y), numbers((2, 3), t), numbers((), t))
        for t in ("float32", "int8", "int64", "bool")
    ),
]
PAD = [
    *(
        both(
            f"{mode}-{t}",
            lambda t, x, mode=mode: t.nn.functional.pad(x, (2, 1, 0, 3), mode=mode),
            numbers((2, 3, 5, 4), t),
        )
        for mode in ("reflect", "replicate")
        for t in ("float32", "int64")
    ),
    *(
        both(f"{mode}-{len(pad) // 2}d-{len(shape)}", lambda t, x, p=pad, m=mode: t.nn.functional.pad(x, p, mode=m), x)
        for mode in ("reflect", "replicate")
        for pad, shape in (
            ((2, 3), (3, 5)),
            ((4, 0), (2, 3, 5)),
            ((1, 2, 3, 0), (2, 4, 5)),
            ((0, 1, 2, 1, 1, 0), (2, 3, 4, 5)),
            ((1, 1, 0, 2, 1, 2), (1, 2, 3, 4, 5)),
        )
        for x in (numbers(shape),)
    ),
    both("replicate-far", lambda t, x: t.nn.functional.pad(x, (9, 7), mode="replicate"), numbers((2, 3, 4))),
    both("replicate-cut", lambda t, x: t.nn.functional.pad(x, (-1, 2), mode="replicate"), numbers((2, 3, 4))),
]
SCATTER = [
    *(
        both(
            f"{name}-{t}",
            lambda t, x, i, s, name=name: getattr(t, name)(x, 1, i, s),
            numbers((2, 4, 3), t),
            places((2, 3, 2), 4)
            if name == "scatter_add"
            else RANDOM.permuted(np.tile(np.arange(4), (2, 2, 1)), axis=2).transpose(0, 2, 1)[:, :3].copy(),
            numbers((2, 4, 3), t),
        )
        for name in ("scatter", "scatter_add")
        for t in TYPES
    ),
    *(
        both(f"value-{t}", lambda t, x, i, v=v: t.scatter(x, -1, i, v), numbers((2, 4, 3), t), places((2, 2, 3), 3))
        for t, v in (("float32", 2.5), ("int8", -3), ("int64", 7), ("bool", 1), ("float32", 3))
    ),
    *(
        both(
            f"select_scatter-{t}",
            lambda t, x, s: t.select_scatter(x, s, -2, -1),
            numbers((2, 4, 3), t),
            numbers((2, 3), t),
        )
        for t in TYPES
    ),
    *(
        both(
            f"slice_scatter-{start}-{end}-{step}",
            lambda t, x, s, a=start, b=end, c=step: t.slice_scatter(x, s, 1, a, b, c),
            X,
            numbers((2, len(range(4)[start:end:step]), 5, 6)),
        )
        for start, end, step in ((0, 4, 2), (1, 3, 1), (-3, 99, 2), (None, None, 3))
    ),
    both(
        "slice_scatter-int8",
        lambda t, x, s: t.slice_scatter(x, s, 0, 1),
        numbers((3, 2), "int8"),
        numbers((2, 2), "int8"),
    ),
]
INDEX_PUT = [
    *(
        both(
            f"index_put-{t}-{'add' if add else 'set'}",
            lambda t, x, i, v, add=add: t.ops.aten.index_put(x, [None, i], v, add),
            numbers((2, 4, 3), t),
            np.array([3, 0, -3] if add else [3, 0, 1]),
            numbers((2, 3, 3), t),
        )
        for t in TYPES
        for add in (False, True)
        if not (add and t == "bool")
    ),
    both(
        "two",
        lambda t, x, i, j, v: t.ops.aten.index_put(x, [i, j], v),
        X,
        places((3,), 2),
        np.array([3, 1, 0]),
        numbers((3, 5, 6)),
    ),
    both(
        "apart",
        lambda t, x, i, j, v: t.ops.aten.index_put(x, [i, None, j], v),
        *(X, np.array([0, 1]), np.array([4, 2], np.int64), numbers((2, 4, 6))),
    ),
    both(
        "broadcast",
        lambda t, x, i, v: t.ops.aten.index_put(x, [None, None, i], v),
        X,
        np.array([[0, 1], [4, 2]]),
        numbers((1,)),
    ),
    both(
        "twice",
        lambda t, x, i, v: t.ops.aten.index_put(x, [i], v, True),
        numbers((3, 2)),
        np.array([1, 1, 2, 1]),
        numbers((4, 2)),
    ),
    both("mask", lambda t, x, m, v: t.ops.aten.index_put(x, [m], v), X, MASK, numbers(())),
    both(
        "mask-rows", lambda t, x, m, v: t.ops.aten.index_put(x, [None, m], v), X, numbers((4, 5), "bool"), numbers((6,))
    ),
    both("int32", lambda t, x, i, v: t.ops.aten.index_put(x, [i], v), X, np.array([1], np.int32), numbers((4, 5, 6))),
    both("index-mask", lambda t, x, m: x[m], X, MASK),
]
SMALL = numbers((3, 4))
CHOSEN = [
    *(
        both(
            f"masked_select-{t}",
            lambda t, x, m: t.masked_select(x, m),
            numbers((2, 3, 4), t),
            numbers((2, 3, 4), "bool"),
        )
        for t in TYPES
    ),
    both(
        "masked_select-broadcast",
        lambda t, x, m: t.masked_select(x, m),
        numbers((2, 1, 4)),
        np.array([[False], [True], [False]]),
    ),
    *(
        both(
            f"masked_scatter-{t}",
            lambda t, x, m, s: t.masked_scatter(x, m, s),
            *(numbers((3, 4), t), numbers((3, 4), "bool"), numbers((5, 4), t)),
        )
        for t in TYPES
    ),
    both(
        "masked_scatter-rows",
        lambda t, x, m, s: t.masked_scatter(x, m, s),
        SMALL,
        numbers((3, 1), "bool"),
        numbers((12,)),
    ),
    *(
        both(f"repeat_interleave-{t}", lambda t, n: t.repeat_interleave(n, output_size=7), np.array([2, 0, 4, 1], t))
        for t in ("int32", "int64")
    ),
]
TORCH_ALONE = [
    Case("roll-all", lambda t, x: t.roll(x, 7), (X,), reason="ExecuTorch wants dimensions", oracle="torch"),
    *(
        Case(
            f"nonzero-{t}",
            lambda t, x: t.nonzero(x),
            (numbers((2, 3, 4), t) * numbers((2, 3, 4), "bool"),),
            reason="ExecuTorch does not heed that the result's memory order is the reverse",
            oracle="torch",
        )
        for t in TYPES
    ),
    Case("nonzero-none", lambda t, x: t.nonzero(x), (np.zeros((3, 2), np.float32),), oracle="torch"),
]
TABLES = {
    "rearrange": REARRANGE,
    "pad": PAD,
    "scatter": SCATTER,
    "index_put": INDEX_PUT,
    "mask": CHOSEN,
    "torch": TORCH_ALONE,
}


@pytest.mark.parametrize(("table", "case"), [(name, case) for name, table in TABLES.items() for case in table], ids=str)
def test_elements_are_at_the_places_that_pytorch_and_executorch_give_them(table: str, case: Case) -> None:
    """Every type, negative dimensions, masks, empty results; both oracles."""
    check(case, TABLES[table])
