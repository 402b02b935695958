"""Measures the differences between the outputs of two versions of a model. It applies no limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Quantisation parameters of a model input or output, as partition.json has them: dtype (numpy's name), scale (a float,
# in the unit of the model), zero_point (an integer), range (the lowest and the highest integer).
QuantParams = dict[str, Any]
# Relative to the largest output: what two orders of addition may give.
LAST_BITS = 1e-4


@dataclass(frozen=True)
class Worst:
    """The element that differs most.

    vector:     number of the test vector.
    element:    index in that vector's output.
    difference: as it was passed to `worst`.
    """

    vector: int
    element: tuple[int, ...]
    got: float
    wanted: float
    difference: float


def lsb_error(got: Any, wanted: Any, params: QuantParams | None) -> Any:
    """The error of each element in LSB: one LSB is the scale of the output's quantisation.

    got:    [vectors, ...], output of the reference, with the dtype that the .pte gives.
    wanted: [vectors, ...], output of the quantised PyTorch program, in floating point.
    params: of the output. None: integers differ by their difference; for floating point one LSB is 1e-5 of the largest
            wanted magnitude, and smaller differences count as rounding, 0.
    return: [vectors, ...], float64, not negative.
    """
    import numpy as np

    got64, wanted64 = got.astype(np.float64), wanted.astype(np.float64)
    if params is not None and got.dtype.kind == "f":
        return np.abs(np.rint(got64 / params["scale"]) - np.rint(wanted64 / params["scale"]))
    if params is not None:
        return np.abs(got64 - quantize(wanted64, params).astype(np.float64))
    if got.dtype.kind == "f":
        lsb = max(float(np.abs(wanted64).max(initial=0.0)) * 1e-5, np.finfo(np.float32).tiny)
        return np.floor(np.abs(got64 - wanted64) / lsb)
    return np.abs(got64 - wanted64)


def quantize(values: Any, params: QuantParams) -> Any:
    """Floating-point values as integers of dtype params["dtype"]: rounded to nearest, ties to even, and clamped."""
    import numpy as np

    low, high = params["range"]
    integers = np.rint(values.astype(np.float32) * np.float32(1.0 / params["scale"])) + params["zero_point"]
    return np.clip(integers, low, high).astype(params["dtype"])


def dequantize(values: Any, params: QuantParams) -> Any:
    """The values that quantised integers represent, in float32."""
    import numpy as np

    return ((values.astype(np.float64) - params["zero_point"]) * params["scale"]).astype(np.float32)


def worst(differences: Any, got: Any, wanted: Any) -> Worst | None:
    """The element with the largest difference, of equal ones the first; None when all differences are zero.

    differences, got, wanted: [vectors, ...], all of one shape.
    """
    import numpy as np

    if not differences.size or not differences.max():
        return None
    vector, *element = (int(axis) for axis in np.unravel_index(int(differences.argmax()), differences.shape))
    index = (vector, *element)
    return Worst(vector, tuple(element), float(got[index]), float(wanted[index]), float(differences[index]))


def against_float(got: Any, wanted: Any) -> dict[str, float | None]:
    """Errors of an output against the float model's.

    return: max_abs and mean_abs in the unit of the model; sqnr_db, the signal to quantisation noise ratio in dB, None
            without signal or noise.
    """
    import numpy as np

    error = got.astype(np.float64) - wanted.astype(np.float64)
    noise, signal = float((error**2).sum()), float((wanted.astype(np.float64) ** 2).sum())
    return {
        "max_abs": float(np.abs(error).max(initial=0.0)),
        "mean_abs": float(np.abs(error).mean()) if error.size else 0.0,
        "sqnr_db": 10 * math.log10(signal / noise) if noise and signal else None,
    }


def accuracy(outputs: Any, labels: Sequence[int]) -> float:
    """The share of vectors, 0 to 1, whose largest output has the index of their label. outputs: [vectors, ...]."""
    right = sum(int(row.reshape(-1).argmax()) == label for row, label in zip(outputs, labels, strict=True))
    return right / len(labels)


def remedy(got: Any, wanted: Any) -> str:
    """What to write when an output differs, as the end of a message; `difference` has said how.

    got, wanted: of one dtype and shape.
    """
    import numpy as np

    if got.dtype.kind != "f":
        return "integers have no tolerance: a float before them differs, so have its operator on the NPU"
    largest = np.abs(wanted, where=np.isfinite(wanted), out=np.zeros_like(wanted)).max(initial=0.0)
    error = np.abs(got.astype(np.float64) - wanted)
    needed = float(error.max(initial=0.0)) / float(largest) if largest else math.inf
    if not needed <= 1:
        return "no run.tolerance accepts it: the outputs have nothing in common, or are not numbers"
    why = ": floats that are added in another order differ in their last bits" if needed < LAST_BITS else ""
    return f"run: {{tolerance: {rounded_up(needed)}}} accepts it{why}"


def rounded_up(value: float) -> float:
    """With two digits. value: positive."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit) * unit:.2g}")


def difference(got: Any, wanted: Any, tolerance: float = 0.0) -> str:
    """A message with the first element that differs and how many do; "" when none does. NaN equals NaN.

    tolerance: largest accepted difference of floats, relative to the largest finite magnitude in `wanted`.
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
    index = tuple(int(axis) for axis in np.argwhere(wrong)[0])
    return (
        f"element {list(index)}: got {got[index].item()!r}, wanted {wanted[index].item()!r}; "
        f"{int(wrong.sum())} of {wrong.size} elements differ"
    )
