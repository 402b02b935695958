"""Errors between two versions of a layer's values: of each sample, and of all. It runs nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

BINS = 32
# Errors of more LSB, in either direction, are in the first and the last bin.
LARGEST_LSB = 8


@dataclass
class Errors:
    """Of one version against another. Errors are got - wanted.

    lsb:     the unit of one step of the quantisation; None where the values are not quantised.
    samples: the figures of each sample.
    """

    lsb: float | None
    samples: list[dict[str, Any]] = field(default_factory=list)
    _sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    _largest: float = 0.0
    _steps: Any = None

    def add(self, got: Any, wanted: Any) -> None:
        """A sample. Elements that are no finite numbers in both are left out, unless equal.

        got, wanted: flat, float64, in the unit of the model.
        """
        import numpy as np

        with np.errstate(invalid="ignore"):
            error = got - wanted
        if not np.isfinite(error).all():
            error = np.where(got == wanted, 0.0, error)
            error, wanted = error[np.isfinite(error)], wanted[np.isfinite(wanted)]
        parts = [float(np.dot(wanted, wanted)), float(np.dot(error, error)), float(error.sum()), float(error.size)]
        largest = float(np.abs(error).max(initial=0.0))
        self.samples.append(self._figures(parts, largest))
        self._sums = [one + other for one, other in zip(self._sums, parts, strict=True)]
        self._largest = max(self._largest, largest)
        if self.lsb:
            steps = np.clip(np.rint(error / self.lsb), -LARGEST_LSB, LARGEST_LSB).astype(np.int8) + LARGEST_LSB
            counts = np.bincount(steps, minlength=2 * LARGEST_LSB + 1)
            self._steps = counts if self._steps is None else self._steps + counts

    def to_json(self) -> dict[str, Any]:
        steps = [int(count) for count in self._steps] if self._steps is not None else None
        return {**self._figures(self._sums, self._largest), "histogram_lsb": steps, "samples": self.samples}

    def _figures(self, sums: list[float], largest: float) -> dict[str, Any]:
        signal, noise, total, count = sums
        return {
            "sqnr_db": round(10 * math.log10(signal / noise), 3) if signal and noise else None,
            "largest": rounded(largest),
            "largest_lsb": rounded(largest / self.lsb) if self.lsb else None,
            "mean": rounded(total / count) if count else 0.0,
        }


@dataclass
class Histogram:
    """Counts of values in BINS equal parts of a range; what lies outside is in the first and the last part, and counted
    as clipped where it is more than half a step outside."""

    low: float
    high: float
    lsb: float
    counts: list[int] = field(default_factory=lambda: [0] * BINS)
    outside: int = 0
    elements: int = 0

    def add(self, values: Any) -> None:
        import numpy as np

        finite = values if np.isfinite(values).all() else values[np.isfinite(values)]
        places = np.clip((finite - self.low) * (BINS / (self.high - self.low)), 0, BINS - 1).astype(np.int8)
        found = np.bincount(places, minlength=BINS)
        self.counts = [one + int(other) for one, other in zip(self.counts, found, strict=True)]
        margin = self.lsb / 2
        self.outside += int(((finite < self.low - margin) | (finite > self.high + margin)).sum())
        self.elements += finite.size

    @property
    def clipped(self) -> float:
        """The share of values, 0 to 1."""
        return rounded(self.outside / self.elements) if self.elements else 0.0


def rounded(value: float) -> float:
    """With six digits."""
    return float(f"{value:.6g}")
