"""Patches for the pinned PyTorch and torchao that make observers cheaper; scales and zero points are unchanged.

Each docstring has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etbuild.compile.patches import replaced

# Below, PyTorch's own loop is faster; above, a count may be none of float32.
_FEWEST, _MOST = 1 << 12, 1 << 24


@contextmanager
def cheaper_calibration() -> Iterator[None]:
    """Inside this context all patches of a calibration apply."""
    with histograms_by_operators(), weights_observed_once():
        yield


@contextmanager
def histograms_by_operators() -> Iterator[None]:
    """Inside this context the bins of a histogram are computed by operators over all values, not value by value.

    Replaces: torch.histc, for float32 values of which none is outside the range.
    Saves:    a tenth of quantising MobileNetV2.
    Same:     a value's bin is computed by the same operations in float32, and counts are integers; the last bin has its
              upper end.
    Delete:   when PyTorch's loop is as fast.
    """
    import torch

    own = torch.histc

    def histc(input: Any, bins: Any = 100, min: Any = 0, max: Any = 0, **more: Any) -> Any:
        plain = type(input) is torch.Tensor and input.dtype == torch.float32 and not input.requires_grad
        if more or not plain or not _FEWEST <= input.numel() <= _MOST or type(bins) is not int or bins < 1:
            return own(input, bins, min=min, max=max, **more)
        low, high = (torch.tensor(float(one), dtype=torch.float32) for one in (min, max))
        least, most = torch.aminmax(input)
        # The product must not overflow; what is not finite is neither less nor more.
        if not (low <= least and most <= high and low < high and torch.isfinite((high - low) * bins)):
            return own(input, bins, min=min, max=max)
        indices = input.reshape(-1).sub(low).mul_(bins).div_(high - low).to(torch.int32).clamp_(max=bins - 1)
        return torch.bincount(indices, minlength=bins).to(torch.float32)

    with replaced(torch, "histc", histc):
        yield


@contextmanager
def weights_observed_once() -> Iterator[None]:
    """Inside this context an observer of ranges per channel looks at a tensor again only if it has changed.

    Such observe weights, which are the same for each sample.

    Replaces: torchao's PerChannelMinMaxObserver.forward.
    Saves:    a twentieth of quantising MobileNetV2 with 16 samples.
    Same:     the smallest and the largest of values that were seen are what they were. The tensor has to be the same
              object, with the same number of changes, that the observer saw last, and so have the observer's results.
    Delete:   when torchao does not observe constants for each sample.
    """
    from torchao.quantization.pt2e.observer import PerChannelMinMaxObserver

    own = PerChannelMinMaxObserver.forward
    # By observer; the objects are kept, so that no others get their numbers.
    seen: dict[int, tuple[tuple[Any, ...], list[int]]] = {}

    def state(self: Any, values: Any) -> tuple[tuple[Any, ...], list[int]]:
        tensors = values, self.min_val, self.max_val
        return (self, *tensors), [one._version for one in tensors]

    def forward(self: Any, values: Any) -> Any:
        if values.is_inference() or self.min_val.is_inference():  # Nothing counts their changes.
            return own(self, values)
        objects, changes = state(self, values)
        last, counted = seen.get(id(self), ((None,) * len(objects), []))
        if changes == counted and all(map(operator.is_, objects, last)):
            return values
        result = own(self, values)
        seen[id(self)] = state(self, values)
        return result

    with replaced(PerChannelMinMaxObserver, "forward", forward):
        yield


@contextmanager
def search_histograms_in_numbers() -> Iterator[None]:
    """Inside this context the range of an observer with a histogram is searched in numbers instead of tensors.

    torchao goes through the sums of a histogram of 2,048 bins in steps of a hundred thousandth, and makes a tensor for
    each comparison of a sum with a limit.

    Replaces: torch.cumsum while torchao's HistogramObserver._non_linear_param_search runs.
    Saves:    a tenth of quantising DenseNet-121, three fifths of the search.
    Same:     NumPy compares a float32 with Python's float as PyTorch does, in float32.
    Delete:   when torchao searches in numbers.
    """
    import torch
    from torchao.quantization.pt2e.observer import HistogramObserver

    search, cumsum = HistogramObserver._non_linear_param_search, torch.cumsum

    def search_in_numbers(self: Any) -> Any:
        with replaced(torch, "cumsum", lambda values, dim: list(cumsum(values, dim=dim).numpy(force=True))):
            return search(self)

    with replaced(HistogramObserver, "_non_linear_param_search", search_in_numbers):
        yield
