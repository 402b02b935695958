"""How far the outputs of a model's versions are apart. It judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Worst:
    """The element that differs most. vector: number of the sample; element: position in the output."""

    vector: int
    element: tuple[int, ...]
    got: float
    wanted: float
    difference: float


def steps_apart(got: Any, wanted: Any, grid: dict[str, Any] | None) -> Any:
    """Element by element, by how many steps of the output's grid two outputs differ.

    got:    [vectors, ...], the reference's output, as the .pte gives it.
    wanted: the quantised PyTorch program's, in floating point.
    grid:   of the output; without one integers differ by themselves, and floating point by a step for
            each part in a hundred thousand of the largest value, which is rounding.
    """
    import numpy as np

    got64, wanted64 = got.astype(np.float64), wanted.astype(np.float64)
    if grid is not None and got.dtype.kind == "f":
        return np.abs(np.rint(got64 / grid["scale"]) - np.rint(wanted64 / grid["scale"]))
    if grid is not None:
        return np.abs(got64 - to_grid(wanted64, grid).astype(np.float64))
    if got.dtype.kind == "f":
        step = max(float(np.abs(wanted64).max(initial=0.0)) * 1e-5, np.finfo(np.float32).tiny)
        return np.floor(np.abs(got64 - wanted64) / step)
    return np.abs(got64 - wanted64)


def to_grid(values: Any, grid: dict[str, Any]) -> Any:
    """Floating-point values as the integers of a grid."""
    import numpy as np

    low, high = grid["range"]
    steps = np.rint(values.astype(np.float32) * np.float32(1.0 / grid["scale"])) + grid["zero_point"]
    return np.clip(steps, low, high).astype(grid["dtype"])


def from_grid(values: Any, grid: dict[str, Any]) -> Any:
    import numpy as np

    return ((values.astype(np.float64) - grid["zero_point"]) * grid["scale"]).astype(np.float32)


def worst(differences: Any, got: Any, wanted: Any) -> Worst | None:
    """The first of the largest differences; None when all are zero."""
    import numpy as np

    if not differences.size or not differences.max():
        return None
    vector, *element = (int(at) for at in np.unravel_index(int(differences.argmax()), differences.shape))
    at = (vector, *element)
    return Worst(vector, tuple(element), float(got[at]), float(wanted[at]), float(differences[at]))


def against_float(got: Any, wanted: Any) -> dict[str, float | None]:
    """Errors of a quantised output against the float model's, in the model's unit; SQNR in decibel."""
    import math

    import numpy as np

    error = got.astype(np.float64) - wanted.astype(np.float64)
    noise, signal = float((error**2).sum()), float((wanted.astype(np.float64) ** 2).sum())
    return {
        "max_abs": float(np.abs(error).max(initial=0.0)),
        "mean_abs": float(np.abs(error).mean()) if error.size else 0.0,
        "sqnr_db": 10 * math.log10(signal / noise) if noise and signal else None,
    }


def accuracy(outputs: Any, labels: Sequence[int]) -> float:
    """The share of vectors whose largest value stands at the label. outputs: [vectors, ...]."""
    right = sum(int(row.reshape(-1).argmax()) == label for row, label in zip(outputs, labels, strict=True))
    return right / len(labels)


def difference(got: Any, wanted: Any, tolerance: float = 0.0) -> str:
    """The first element that differs, and how many do; "" for the same bits, nan being equal to nan.

    tolerance: for floats, how far apart they may be, as a part of the largest magnitude that is wanted.
    """
    import numpy as np

    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"got {got.dtype}{list(got.shape)}, wanted {wanted.dtype}{list(wanted.shape)}"
    wrong = got != wanted
    if got.dtype.kind == "f":
        wrong &= ~(np.isnan(got) & np.isnan(wanted))
        largest = np.abs(wanted, where=np.isfinite(wanted), out=np.zeros_like(wanted)).max(initial=0.0)
        wrong &= ~(np.abs(got - wanted) <= tolerance * largest)
    if not wrong.any():
        return ""
    place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    return (
        f"element {list(place)}: got {got[place].item()!r}, wanted {wanted[place].item()!r}; "
        f"{int(wrong.sum())} of {wrong.size} elements differ"
    )
