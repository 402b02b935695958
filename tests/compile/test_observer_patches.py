"""A cheaper calibration observes what torchao observes."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e


HISTOGRAMS = """
import torch
from etbuild.compile import observer_patches

own, asked, same = torch.histc, [], 0
def counting(*given, **named):
    asked.append(1)
    return own(*given, **named)
torch.histc = counting
generator = torch.Generator().manual_seed(1)
def number(low, high):
    return int(torch.randint(low, high, (1,), generator=generator))
def result(values, bins, low, high):
    try:
        return torch.histc(values, bins, min=low, max=high)
    except Exception as error:
        return str(error)
def compared(values, bins, low, high):
    usual = own(values, bins, min=low, max=high)
    with observer_patches.histograms_by_operators():
        found = torch.histc(values, bins, min=low, max=high)
    return torch.equal(usual, found) and usual.dtype == found.dtype
for seed in range(600):
    values = torch.randn(number(4096, 20000), generator=generator) * 10.0 ** number(-6, 7) + number(-2, 3)
    values = values if seed % 3 else values * (values > values.mean())
    low, high = values.min(), values.max()
    if seed % 4 == 0:
        low, high = low - number(0, 3), high + abs(high) / 2 + 1
    if seed % 5 == 0:
        low, high = float(low), float(high)
    same += compared(values, (2048, 16384, 100)[seed % 3], low, high)
print(same, len(asked))
large = torch.randn(5000, generator=generator)
others = {
    "small": (large[:100], 8, -9, 9), "outside": (large, 8, -1, 1), "equal": (torch.ones(5000), 8, 1.0, 1.0),
    "overflow": (large, 4096, -2e38, 2e38), "range": (large, 8, -9, 1e38), "double": (large.double(), 8, -9, 9),
    "strides": (large.reshape(50, 100).T, 8, -9, 9), "default": (large, 8, 0, 0),
}
print(*(name for name, given in others.items() if not compared(*given)), len(asked))
nan = torch.full((5000,), torch.nan)
usual = result(nan, 8, nan.min(), nan.max())
with observer_patches.histograms_by_operators():
    print(result(nan, 8, nan.min(), nan.max()) == usual, torch.histc is not counting)
print(torch.histc is counting)
"""


def test_histograms_of_operators_are_pytorchs(tmp_path: Path) -> None:
    """Of 600 random tensors, ranges and numbers of bins; what is not plain, or outside, is counted by PyTorch."""
    assert output_of(HISTOGRAMS, tmp_path).splitlines() == ["600 0", "7", "True True", "True"]


def test_a_weight_is_observed_again_when_it_has_changed(tmp_path: Path) -> None:
    """In place, or as another tensor; each observer for itself."""
    code = """
import torch
from etbuild.compile import observer_patches
from torchao.quantization.pt2e.observer import PerChannelMinMaxObserver

own, calls = PerChannelMinMaxObserver.forward, []
def counting(self, values):
    calls.append(1)
    return own(self, values)
PerChannelMinMaxObserver.forward = counting

def observed():
    found = []
    one, other = (PerChannelMinMaxObserver(dtype=torch.int8, qscheme=torch.per_channel_symmetric) for _ in range(2))
    weight = torch.arange(12.0).reshape(3, 4)
    def step(observer, values):
        calls.clear()
        result = observer(values)
        found.append((len(calls), result is values, observer.min_val.tolist(), observer.max_val.tolist()))
    step(one, weight); step(one, weight); step(other, weight)
    weight.mul_(2)
    step(one, weight); step(one, weight)
    step(one, weight * -1); step(one, weight); step(other, weight)
    one.reset_min_max_vals()
    step(one, weight); step(one, weight)
    with torch.inference_mode():
        step(one, torch.ones(3, 4)); step(one, torch.ones(3, 4))
    return found

usual = observed()
with observer_patches.weights_observed_once():
    found = observed()
print([one[1:] for one in found] == [one[1:] for one in usual], [one[0] for one in found])
print(PerChannelMinMaxObserver.forward is counting)
"""

    assert output_of(code, tmp_path).splitlines() == ["True [1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1]", "True"]


def test_a_range_that_is_searched_in_numbers_is_the_same(tmp_path: Path) -> None:
    """Of few values and of many, of both signs and of one, with values far from the others, and of equal values."""
    code = """
import torch
from etbuild.compile import observer_patches
from torchao.quantization.pt2e.observer import HistogramObserver

own = HistogramObserver._non_linear_param_search
torch.manual_seed(0)
kinds = {
    "normal": lambda x: x, "positive": torch.relu, "far": lambda x: x ** 5, "equal": torch.ones_like,
    "rare": lambda x: x * (torch.rand_like(x) > 0.99),
}
same = []
for kind in kinds.values():
    for count in (1, 7, 300, 20000):
        observer = HistogramObserver(dtype=torch.int8, quant_min=-128, quant_max=127)
        for number in range(3):
            observer(kind(torch.randn(1, count) * (number + 1)))
        usual = own(observer)
        with observer_patches.search_histograms_in_numbers():
            numbers = observer._non_linear_param_search()
        same.append(all(torch.equal(one, other) for one, other in zip(usual, numbers)))
print(all(same), len(same), HistogramObserver._non_linear_param_search is own)
"""

    assert output_of(code, tmp_path) == "True 20 True"
