"""Gives each layer few different weights, which Vela's compression stores in fewer bits each.

The values are those of the least squared error, found by dynamic programming: numbers in order are best cut into
intervals, and the best cut of all before a point into one interval less is known. A layer with more different weights
than _GROUPS is put into so many groups first, more of them where weights are dense, and Lloyd's algorithm moves the
values that were found for these to the means of the weights themselves. With one scale a tensor (per_channel: false) a
layer has as few different integers; with a scale for each channel more.

source: S. Han et al., Deep Compression, 2016, without its training; H. Wang and M. Song, Ckmeans.1d.dp, 2011; S. Lloyd,
        Least Squares Quantization in PCM, 1982; the density of the groups: P. Panter and W. Dite, Quantization
        Distortion in Pulse-Count Modulation with Nonuniform Spacing of Levels, 1951.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting

_GROUPS = 1024
_ROUNDS = 50


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Cluster the weights of each layer; the names of the layers."""
    for layer in layers:
        layer.set_weight(clustered(layer.weight, setting.one.values or 0))
    return [layer.name for layer in layers]


def clustered(weight: Any, values: int) -> Any:
    """The weights, each as the nearest of so many values."""
    flat = weight.flatten().double()
    points, counts = flat.unique(return_counts=True)
    if points.numel() > values:
        if points.numel() > _GROUPS:
            points, counts = _means(flat, _dense(flat, _GROUPS))
        points = _best_values(points, counts.double(), values)
    for _ in range(_ROUNDS):
        moved, _ = _means(flat, points)
        if moved.equal(points):
            break
        points = moved
    return points[_nearest(flat, points)].to(weight.dtype).reshape(weight.shape)


def _nearest(flat: Any, points: Any) -> Any:
    """The number of the nearest point of each. points: in ascending order."""
    import torch

    return torch.bucketize(flat, (points[1:] + points[:-1]) / 2)


def _means(flat: Any, points: Any) -> tuple[Any, Any]:
    """Of what is nearest to each point, and how much that is; without points that have nothing."""
    import torch

    nearest = _nearest(flat, points)
    counts = torch.bincount(nearest, minlength=points.numel())
    sums = torch.zeros_like(points).index_add_(0, nearest, flat)
    return (sums / counts)[counts > 0], counts[counts > 0]


def _dense(flat: Any, values: int) -> Any:
    """So many points, as dense as the cube root of the density of the weights."""
    import torch

    low, high, bins = float(flat.min()), float(flat.max()), 4 * values
    share = torch.histc(flat, bins, low, high).pow(1 / 3).cumsum(0)
    wanted = (torch.arange(values, dtype=flat.dtype) + 0.5) / values * share[-1]
    edges = torch.cat([share.new_zeros(1), share])
    after = torch.searchsorted(share, wanted)
    part = (wanted - edges[after]) / (edges[after + 1] - edges[after])
    return (low + (high - low) * (after + part) / bins).unique()


def _best_values(points: Any, counts: Any, values: int) -> Any:
    """The means of the intervals with the least squared error in all. points: ascending; counts: how often each is."""
    import torch

    points = points - (middle := points.mean())  # Sums of squares would lose their last digits.
    sums = [torch.cat([one.new_zeros(1), one.cumsum(0)]) for one in (counts, counts * points, counts * points.square())]
    count, total, squares = (one[None, :] - one[:, None] for one in sums)
    # From the point of the row to that before the column.
    cost = torch.where(count > 0, squares - total.square() / count.clamp_min(1), torch.inf)
    least, begins = cost[0], []
    for _ in range(values - 1):
        least, begin = (least[:, None] + cost).min(0)
        begins.append(begin)
    cuts = [points.numel()]
    for begin in reversed(begins):
        cuts.append(int(begin[cuts[-1]]))
    ends = torch.tensor([0, *reversed(cuts)])
    return middle + sums[1][ends].diff() / sums[0][ends].diff()
