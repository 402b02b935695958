"""Gives each layer few different weights, which Vela's compression stores in fewer bits each.

The values are those of the least squared error that Lloyd's algorithm finds, begun at quantiles: deterministic. With
one scale a tensor (per_channel: false) a layer has as few different integers; with a scale for each channel more.

source: S. Han et al., Deep Compression, 2016, without its training; S. Lloyd, Least Squares Quantization in PCM, 1982.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting

_ROUNDS = 50


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Cluster the weights of each layer; the names of the layers."""
    for layer in layers:
        layer.set_weight(clustered(layer.weight, setting.one.values or 0))
    return [layer.name for layer in layers]


def clustered(weight: Any, values: int) -> Any:
    """The weights, each as the nearest of so many values."""
    import torch

    flat = weight.flatten().double()
    centres = torch.quantile(flat, (torch.arange(values, dtype=torch.float64) + 0.5) / values) if flat.numel() else flat
    for _ in range(_ROUNDS):
        centres = centres.unique()
        nearest = torch.bucketize(flat, (centres[1:] + centres[:-1]) / 2)
        counts = torch.bincount(nearest, minlength=centres.numel())
        sums = torch.zeros_like(centres).index_add_(0, nearest, flat)
        moved = torch.where(counts > 0, sums / counts.clamp_min(1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    nearest = torch.bucketize(flat, (centres[1:] + centres[:-1]) / 2)
    return centres[nearest].to(weight.dtype).reshape(weight.shape)
