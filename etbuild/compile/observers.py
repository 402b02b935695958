"""Observers of activations beyond the default one: which range the values get. They quantise nothing.

The histogram of the calibration is torchao's; it grows with the values, so no value is lost. What torchao calls
AffineQuantizedMSEObserver writes operators that ExecuTorch's Arm backend does not take.
"""

from __future__ import annotations

import functools
from typing import Any

# Of the histogram: a range ends at most one bin beyond the wanted value.
BINS = 16384
# Ranges that `mse` compares, from all values to a hundredth of them, for each end.
CANDIDATES = 100


@functools.cache
def observer_class(name: str) -> Any:
    """The class of minmax, percentile or mse; it takes the arguments of torchao's observers."""
    from torchao.quantization.pt2e import MinMaxObserver

    classes = {"minmax": lambda: MinMaxObserver, "percentile": _percentile_class, "mse": _mse_class}
    return classes[name]()


def _percentile_class() -> Any:
    import torch
    from torchao.quantization.pt2e import HistogramObserver

    class PercentileObserver(HistogramObserver):  # type: ignore[misc]  # torchao's classes are untyped
        """The range without the outermost values at both ends. percentile: share of the values below the upper end."""

        def __init__(self, percentile: float, **given: Any) -> None:
            super().__init__(bins=BINS, **given)
            self.share = percentile / 100

        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            width = (self.max_val - self.min_val) / self.bins
            below = torch.cumsum(self.histogram.double(), 0)
            total = below[-1]
            # A bin is in the range unless all that is in it, and beyond it, is outside.
            first = int((below <= (1 - self.share) * total).sum())
            last = min(int((below < self.share * total).sum()), self.bins - 1)
            return self.min_val + width * first, self.min_val + width * (last + 1)

    return PercentileObserver


def _mse_class() -> Any:
    import torch
    from torchao.quantization.pt2e import HistogramObserver

    class MseObserver(HistogramObserver):  # type: ignore[misc]  # torchao's classes are untyped
        """The range with the least squared error of the observed values: the upper end is searched, then the lower."""

        def __init__(self, **given: Any) -> None:
            super().__init__(bins=BINS, **given)

        def _non_linear_param_search(self) -> tuple[torch.Tensor, torch.Tensor]:
            parts = [part / CANDIDATES for part in range(CANDIDATES, 0, -1)]
            # A range has zero in it, also that of values which are nearly one constant.
            low, most = self.min_val.clamp(max=0), self.max_val.clamp(min=0)
            high = min((most * part for part in parts), key=lambda end: self._error(low, end))
            return min((low * part for part in parts), key=lambda end: self._error(end, high)), high

        def _error(self, low: Any, high: Any) -> float:
            """The sum of squared errors of the histogram's values with the range from low to high."""
            scale, zero_point = self._calculate_qparams(low, high)
            width = (self.max_val - self.min_val) / self.bins
            values = self.min_val + width * (torch.arange(self.bins) + 0.5)
            steps = torch.clamp(torch.round(values / scale) + zero_point, self.quant_min, self.quant_max) - zero_point
            return float(((steps * scale - values).square() * self.histogram).double().sum())

    return MseObserver
