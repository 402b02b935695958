"""Elementwise operators."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

INF, NAN = float("inf"), float("nan")
FLOATS = np.array(
    [
        [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5],
        [1.0, -1.0, 0.3, -3.7, 88.0, -88.0, 1e-5],
        [INF, -INF, NAN, 1e20, -1e20, 7, 9],
    ],
    np.float32,
)
NORMAL = np.random.default_rng(1).normal(0, 2, (3, 5, 70)).astype(np.float32)
POSITIVE = np.abs(NORMAL) + np.float32(1e-3)
UNIT = np.clip(NORMAL / 8, -1, 1)
INT8 = np.random.default_rng(2).integers(-128, 128, (4, 9)).astype(np.int8)
INT16 = np.random.default_rng(3).integers(-(2**15), 2**15, (4, 9)).astype(np.int16)
INT32 = np.random.default_rng(4).integers(-(2**31), 2**31, (4, 9)).astype(np.int32)
INT64 = np.random.default_rng(5).integers(-(2**40), 2**40, (4, 9)).astype(np.int64)
UINT8 = np.random.default_rng(6).integers(0, 256, (4, 9)).astype(np.uint8)
BOOL = np.random.default_rng(7).integers(0, 2, (4, 9)).astype(bool)
SMALL = np.random.default_rng(8).integers(-5, 6, (4, 9)).astype(np.int32)

# name, arrays to try, and where 2 ulp do not hold: how many, and why.
UNARY = {
    "abs": (FLOATS, INT8, INT32),
    "neg": (FLOATS, INT8, INT64),
    "sign": (FLOATS, INT16, BOOL),
    "relu": (FLOATS, INT8),
    "logical_not": (FLOATS, INT8, BOOL),
    "bitwise_not": (INT8, UINT8, BOOL),
    "isnan": (FLOATS, INT8),
    "isinf": (FLOATS,),
    "ceil": (FLOATS, NORMAL, INT8),
    "floor": (FLOATS, NORMAL, INT8),
    "round": (FLOATS, NORMAL, INT8),
    "trunc": (FLOATS, NORMAL, INT8),
    "exp": (FLOATS, NORMAL, INT8),
    "expm1": (FLOATS, NORMAL),
    "log": (FLOATS, POSITIVE, UINT8),
    "log1p": (FLOATS, POSITIVE),
    "log2": (FLOATS, POSITIVE),
    "log10": (FLOATS, POSITIVE),
    "sqrt": (FLOATS, POSITIVE, UINT8),
    "rsqrt": (FLOATS, POSITIVE),
    "reciprocal": (FLOATS, NORMAL, INT8),
    "sin": (FLOATS, NORMAL, INT8, BOOL),
    "cos": (FLOATS, NORMAL, INT8),
    "tan": (FLOATS, NORMAL),
    "sinh": (FLOATS, NORMAL),
    "cosh": (FLOATS, NORMAL),
    "tanh": (FLOATS, NORMAL, INT8),
    "asin": (UNIT,),
    "acos": (UNIT,),
    "atan": (FLOATS, NORMAL),
    "asinh": (FLOATS, NORMAL),
    "acosh": (POSITIVE,),
    "atanh": (UNIT,),
    "sigmoid": (FLOATS, NORMAL, INT8),
    "erf": (FLOATS, NORMAL),
}
LOOSE: dict[str, tuple[int, str]] = {}


def unary_cases() -> list[Case]:
    cases = []
    for name, arrays in UNARY.items():
        ulp, reason = LOOSE.get(name, (2, ""))
        for i, array in enumerate(arrays):
            call = lambda t, x, name=name: getattr(t, name)(x)  # noqa: E731
            cases.append(Case(f"{name}-{array.dtype}-{i}", call, (array,), ulp=ulp, reason=reason))
    return cases


UNARY_CASES = unary_cases()


@pytest.mark.parametrize("case", UNARY_CASES, ids=str)
def test_unary(case: Case) -> None:
    """A function of one number gives ExecuTorch's numbers, for every type that it accepts."""
    check(case, UNARY_CASES)


ACTIVATION = [
    Case("clamp", lambda t, x: t.clamp(x, -1.0, 0.75), (FLOATS,)),
    Case("clamp-min", lambda t, x: t.clamp(x, min=0.25), (FLOATS,)),
    Case("clamp-max", lambda t, x: t.clamp(x, max=0.25), (FLOATS,)),
    Case("clamp-crossed", lambda t, x: t.clamp(x, 2.0, 1.0), (NORMAL,)),
    Case("clamp-int8", lambda t, x: t.clamp(x, -5, 100), (INT8,)),
    Case("clamp-int8-float", lambda t, x: t.clamp(x, -5.5, 100.5), (INT8,)),
    Case("clamp-tensor", lambda t, x, a, b: t.clamp(x, a, b), (NORMAL, NORMAL[:1] - 1, NORMAL[:, :1])),
    Case("relu6", lambda t, x: t.nn.functional.relu6(x), (FLOATS,)),
    Case("hardtanh", lambda t, x: t.nn.functional.hardtanh(x, -0.5, 2), (FLOATS,)),
    Case("leaky_relu", lambda t, x: t.nn.functional.leaky_relu(x, 0.1), (FLOATS,)),
    Case("elu", lambda t, x: t.nn.functional.elu(x, 1.3), (FLOATS,)),
    Case("selu", lambda t, x: t.nn.functional.selu(x), (NORMAL,)),
    Case("gelu", lambda t, x: t.nn.functional.gelu(x), (NORMAL,)),
    Case(
        "gelu-tanh",
        lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
        (NORMAL,),
        atol=1e-7,
        reason="1 + tanh(x) cancels where x is negative, and the two tanh differ by an ulp",
    ),
    Case("hardswish", lambda t, x: t.nn.functional.hardswish(x), (FLOATS,)),
    Case("hardsigmoid", lambda t, x: t.nn.functional.hardsigmoid(x), (FLOATS,)),
    Case("silu", lambda t, x: t.nn.functional.silu(x), (NORMAL,)),
    Case("softplus", lambda t, x: t.nn.functional.softplus(x), (NORMAL,)),
]


@pytest.mark.parametrize("case", ACTIVATION, ids=str)
def test_activation(case: Case) -> None:
    """An activation with parameters gives ExecuTorch's numbers."""
    check(case, ACTIVATION)


ROW = np.linspace(-3, 3, 9, dtype=np.float32)
COLUMN = np.array([[2.0], [-0.5], [0.0], [3.0]], np.float32)
MATRIX = np.random.default_rng(9).normal(0, 3, (4, 9)).astype(np.float32)
BATCH = np.random.default_rng(10).normal(0, 3, (2, 3, 4, 9)).astype(np.float32)
CUBE = np.random.default_rng(11).normal(0, 3, (5, 1, 7)).astype(np.float32)


LAST = "ExecuTorch broadcasts channels-last tensors wrongly: its result differs from PyTorch's by whole numbers"


PAIRS = {
    "same": (MATRIX, MATRIX[::-1].copy()),
    "row": (MATRIX, ROW),
    "column": (COLUMN, MATRIX),
    "outer": (COLUMN, ROW),
    "higher": (ROW, BATCH),
    "middle": (CUBE, CUBE[:, :, :1].transpose(1, 0, 2).copy()),
    "int8": (INT8, INT8[::-1].copy()),
    "int16-int8": (INT16, INT8),
    "int32": (INT32, INT32[::-1].copy()),
    "uint8-int8": (UINT8, INT8),
    "bool-int64": (BOOL, INT64),
    "bool": (BOOL, BOOL[::-1].copy()),
    "int8-float": (INT8, MATRIX),
    "scalar-tensor": (MATRIX, np.array(0.3, np.float32)),
}


def channels_last(t, a, b):  # type: ignore[no-untyped-def]
    return a.to(memory_format=t.channels_last) + b.to(memory_format=t.channels_last)


OTHERS = [
    Case("add-alpha", lambda t, a, b: t.add(a, b, alpha=3), (INT8, INT8[::-1].copy())),
    Case("add-alpha-float", lambda t, a, b: t.add(a, b, alpha=0.3), (MATRIX, ROW), 2, 1e-6, "ours is not fused"),
    Case("add-number", lambda t, a: t.add(a, 0.3), (MATRIX,)),
    Case("add-number-int8", lambda t, a: t.add(a, 100), (INT8,)),
    Case("add-number-int8-float", lambda t, a: t.add(a, 0.5), (INT8,)),
    Case("add-number-bool", lambda t, a: t.add(a, 2), (BOOL,)),
    Case("sub-alpha", lambda t, a, b: t.sub(a, b, alpha=2), (INT32, INT32[::-1].copy())),
    Case("sub-number", lambda t, a: t.sub(a, 7), (UINT8,)),
    Case("rsub", lambda t, a: 1.5 - a, (MATRIX,)),
    Case("mul-number", lambda t, a: t.mul(a, -1.7), (MATRIX,)),
    Case("mul-number-int16", lambda t, a: t.mul(a, 3), (INT16,)),
    Case("minimum-nan", lambda t, a, b: t.minimum(a, b), (FLOATS, FLOATS[::-1].copy())),
    Case("maximum-nan", lambda t, a, b: t.maximum(a, b), (FLOATS, FLOATS[::-1].copy())),
    Case("pow", lambda t, a, b: t.pow(a, b), (POSITIVE[0, :4, :9], MATRIX)),
    Case("pow-number", lambda t, a: t.pow(a, 3), (MATRIX,)),
    Case("pow-square-int8", lambda t, a: t.pow(a, 2), (INT8,)),
    Case("pow-int32", lambda t, a, b: t.pow(a, b), (SMALL, np.abs(SMALL[::-1]).copy())),
    Case("pow-half", lambda t, a: t.pow(a, 0.5), (POSITIVE,)),
    Case("pow-base", lambda t, a: t.pow(2.0, a), (MATRIX,)),
    Case("add-channels-last", channels_last, (BATCH, BATCH[::-1].copy())),
    Case("add-channels-last-row", channels_last, (BATCH, BATCH[:1]), reason=LAST, oracle="torch"),
]
# torch has no subtraction of booleans.
BINARY = [
    *(
        Case(f"{name}-{pair}", lambda t, a, b, name=name: getattr(t, name)(a, b), arrays)
        for name in ("add", "sub", "mul", "minimum", "maximum")
        for pair, arrays in PAIRS.items()
        if not (name == "sub" and pair.startswith("bool"))
    ),
    *OTHERS,
]


@pytest.mark.parametrize("case", BINARY, ids=str)
def test_binary(case: Case) -> None:
    """Two operands are promoted and broadcast as ExecuTorch does."""
    check(case, BINARY)


NONZERO = np.where(SMALL == 0, 2, SMALL).astype(np.int32)
HALVES = (SMALL / 2).astype(np.float32)
SIGN = "ExecuTorch gives an integer remainder the sign of the dividend, PyTorch that of the divisor"
DIVISION = [
    Case("div", lambda t, a, b: t.div(a, b), (MATRIX, COLUMN)),
    Case("div-int32", lambda t, a, b: t.div(a, b), (SMALL, SMALL[::-1].copy())),
    Case("div-number", lambda t, a: t.div(a, 3), (MATRIX,)),
    Case("div-number-int8", lambda t, a: t.div(a, 3), (INT8,)),
    *(
        Case(f"div-{mode}-{kind}", lambda t, a, b, mode=mode: t.div(a, b, rounding_mode=mode), arrays)
        for mode in ("floor", "trunc")
        for kind, arrays in {
            "float": (MATRIX, COLUMN),
            "halves": (HALVES, NONZERO.astype(np.float32)),
            "int32": (INT32, NONZERO),
            "int8": (INT8, NONZERO.astype(np.int8)),
            "uint8": (UINT8, np.abs(NONZERO).astype(np.uint8)),
        }.items()
    ),
    Case("floor_divide", lambda t, a, b: t.floor_divide(a, b), (MATRIX, MATRIX[::-1].copy())),
    Case("floor_divide-exact", lambda t, a, b: t.floor_divide(a, b), (HALVES, np.full((4, 9), 0.1, np.float32))),
    Case("floor_divide-number", lambda t, a: t.floor_divide(a, -3), (INT8,)),
    Case("fmod", lambda t, a, b: t.fmod(a, b), (MATRIX, COLUMN)),
    Case("fmod-int32", lambda t, a, b: t.fmod(a, b), (INT32, NONZERO)),
    Case("fmod-number", lambda t, a: t.fmod(a, 0.7), (MATRIX,)),
    Case("fmod-number-int8", lambda t, a: t.fmod(a, -7), (INT8,)),
    Case("remainder", lambda t, a, b: t.remainder(a, b), (MATRIX, COLUMN)),
    Case("remainder-int32", lambda t, a, b: t.remainder(a, b), (INT32, NONZERO), reason=SIGN, oracle="torch"),
    Case("remainder-number", lambda t, a: t.remainder(a, -0.7), (MATRIX,)),
    Case("remainder-number-int8", lambda t, a: t.remainder(a, -7), (INT8,), reason=SIGN, oracle="torch"),
]


@pytest.mark.parametrize("case", DIVISION, ids=str)
def test_division(case: Case) -> None:
    """Quotients and remainders round as ExecuTorch's do, for both signs of both operands."""
    check(case, DIVISION)


COMPARISON = [
    Case(f"{name}-{kind}", lambda t, a, b, name=name: getattr(t, name)(a, b), arrays)
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for kind, arrays in {
        "float": (FLOATS, FLOATS[::-1].copy()),
        "int": (SMALL, SMALL[:1]),
        "mixed": (INT8, MATRIX),
        "bool": (BOOL, BOOL[:, :1]),
    }.items()
] + [
    Case(f"{name}-number", lambda t, a, name=name: getattr(t, name)(a, 1), (array,))
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for array in (SMALL,)
]
LOGIC = [
    *(
        Case(f"{name}-{kind}", lambda t, a, b, name=name: getattr(t, name)(a, b), arrays)
        for name in ("logical_and", "logical_or", "logical_xor")
        for kind, arrays in {"bool": (BOOL, BOOL[::-1].copy()), "mixed": (SMALL, FLOATS[0][None, :1])}.items()
    ),
    *(
        Case(f"{name}-{kind}", lambda t, a, b, name=name: getattr(t, name)(a, b), arrays)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
        for kind, arrays in {
            "bool": (BOOL, BOOL[::-1].copy()),
            "int": (INT16, INT8),
            "uint8": (UINT8, UINT8[:1]),
        }.items()
    ),
    Case("bitwise_and-number", lambda t, a: t.bitwise_and(a, 12), (INT8,)),
    Case("bitwise_or-number", lambda t, a: t.bitwise_or(a, 12), (INT32,)),
    Case("bitwise_xor-number", lambda t, a: t.bitwise_xor(a, 12), (INT64,)),
    Case("where", lambda t, c, a, b: t.where(c, a, b), (BOOL, MATRIX, ROW)),
    Case("where-int", lambda t, c, a, b: t.where(c, a, b), (BOOL[:, :1], INT64, INT8)),
    Case("where-number", lambda t, c, a: t.where(c, a, 0.5), (BOOL, MATRIX)),
    Case("masked_fill", lambda t, a, m: a.masked_fill(m, -INF), (MATRIX, BOOL[:1])),
    Case("masked_fill-int8", lambda t, a, m: a.masked_fill(m, 3), (INT8, BOOL)),
]


@pytest.mark.parametrize("case", COMPARISON, ids=str)
def test_comparison(case: Case) -> None:
    """A comparison gives ExecuTorch's booleans, not-a-number included."""
    check(case, COMPARISON)


@pytest.mark.parametrize("case", LOGIC, ids=str)
def test_logic(case: Case) -> None:
    """Logic, bits and choices give ExecuTorch's values."""
    check(case, LOGIC)


DYNAMIC = [
    Case("add-dynamic", lambda t, a, b: t.relu(a + b), (MATRIX, ROW), dynamic=((0,), ())),
    Case("mul-dynamic-two", lambda t, a, b: a * b, (BATCH, BATCH[:, :1]), dynamic=((0, 3), (0, 3))),
]


@pytest.mark.parametrize("case", DYNAMIC, ids=str)
def test_dynamic(case: Case) -> None:
    """Results have the size of the input, within the planned memory."""
    check(case, DYNAMIC)
