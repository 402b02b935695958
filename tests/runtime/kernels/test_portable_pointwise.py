"""Elementwise operators that few models have: shifts, atan2, logit, glu."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_oracle import Case, check

pytestmark = pytest.mark.e2e

RANDOM = np.random.default_rng(21)
INTEGERS = ("int8", "uint8", "int16", "int32", "int64")
INF, NAN = float("inf"), float("nan")
FLOATS = np.array([[0.0, -0.0, 0.5, -1.5], [INF, -INF, NAN, 1e20], [1e-20, 3, -7, 100]], np.float32)
NORMAL = RANDOM.normal(0, 2, (3, 4, 70)).astype(np.float32)
UNIT = RANDOM.uniform(0, 1, (3, 4, 70)).astype(np.float32)
POWF = "the C library's functions for float and double differ by an ulp"


def values(t: str) -> np.ndarray:  # type: ignore[type-arg]
    return RANDOM.integers(0 if t == "uint8" else -100, 100, (4, 9)).astype(t)


SHIFT = [
    *(
        Case(
            f"{side}-{t}",
            lambda t, a, b, side=side: getattr(t, f"bitwise_{side}_shift")(a, b),
            (values(t), RANDOM.integers(0, 7, (9,)).astype(t)),
            oracle="both",
        )
        for side in ("left", "right")
        for t in INTEGERS
    ),
    *(
        Case(
            f"{side}-number-{t}",
            lambda t, a, side=side: getattr(t.ops.aten, f"bitwise_{side}_shift").Tensor_Scalar(a, 3),
            (values(t),),
            oracle="both",
        )
        for side in ("left", "right")
        for t in INTEGERS
    ),
    Case(
        "left-types",
        lambda t, a, b: t.bitwise_left_shift(a, b),
        (values("int8"), np.array([[9], [1], [0], [12]], np.int32)),
        oracle="both",
    ),
]
FAR = [
    Case(
        f"{side}-far-{t}",
        lambda t, a, b, side=side: getattr(t, f"bitwise_{side}_shift")(a, b),
        (values(t), np.array([[-1], [64], [32], [127]], t)),
        reason="ExecuTorch's result is undefined",
        oracle="torch",
    )
    for side in ("left", "right")
    for t in ("int8", "int16", "int32", "int64")
]
GATE = [
    Case("atan2", lambda t, a, b: t.atan2(a, b), (NORMAL, NORMAL[::-1].copy()), oracle="both"),
    Case("atan2-special", lambda t, a, b: t.atan2(a, b), (FLOATS, FLOATS[::-1].copy()), oracle="both"),
    Case("atan2-broadcast", lambda t, a, b: t.atan2(a, b), (NORMAL, NORMAL[0, :1]), oracle="both"),
    Case("atan2-int", lambda t, a, b: t.atan2(a, b), (values("int8"), values("int32")), oracle="both"),
    Case("logit", lambda t, a: t.logit(a), (UNIT,), oracle="both", ulp=4, atol=1e-7, reason=POWF),
    Case("logit-special", lambda t, a: t.logit(a), (FLOATS,), oracle="both"),
    Case("logit-eps", lambda t, a: t.logit(a, 0.2), (FLOATS,), oracle="both", atol=1e-7, reason=POWF),
    Case("logit-bool", lambda t, a: t.logit(a, 1e-3), (values("int8") > 0,), oracle="both", atol=1e-6, reason=POWF),
    Case("glu", lambda t, a: t.nn.functional.glu(a), (NORMAL,), oracle="both", ulp=4, reason=POWF),
    Case("glu-1", lambda t, a: t.nn.functional.glu(a, 1), (NORMAL,), oracle="both", ulp=4, reason=POWF),
]
TABLES = {"shift": SHIFT, "far": FAR, "gate": GATE}


@pytest.mark.parametrize(("table", "case"), [(name, case) for name, table in TABLES.items() for case in table], ids=str)
def test_shifts_and_gates_have_the_values_of_pytorch_and_executorch(table: str, case: Case) -> None:
    """Every integer type; infinities and not-a-number; shifts by more than the number of bits, as PyTorch has it."""
    check(case, TABLES[table])
