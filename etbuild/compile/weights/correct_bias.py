"""Corrects biases for the mean error that rounded weights cause.

The mean of a layer's outputs moves by the rounded weights' error times the mean of its inputs, which calibration
shows; the bias, or the running mean of the batch normalisation behind, takes it back. Weights are rounded as the
recipe's scheme does it, symmetric, for each channel or the tensor.

Applies to layers with a bias or a batch normalisation whose weights are quantised.

source: M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, with the mean of
        the inputs measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting

_LARGEST = {"int8": 127, "int16x8": 127, "a8w4": 7}


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Correct each layer; the names of the layers."""
    settings = setting.quantize
    largest = _LARGEST.get(settings.scheme)
    chosen = [layer for layer in layers if layer.has_offset] if largest else []
    means = setting.moments.means([layer.node.args[0] for layer in chosen]) if chosen else {}
    for layer in chosen:
        error = rounded(layer.weight, largest or 0, settings.per_channel) - layer.weight
        layer.subtract_mean_error(_mean_output(layer, error, means[layer.node.args[0]]))
    return [layer.name for layer in chosen]


def rounded(weight: Any, largest: int, per_channel: bool) -> Any:
    """The weights as integers up to `largest` times a scale."""
    ends = weight.abs().flatten(1).amax(1) if per_channel else weight.abs().max().reshape(1)
    scale = (ends / largest).clamp_min(1e-12).reshape(-1, *[1] * (weight.dim() - 1))
    return (weight / scale).round().clamp(-largest, largest) * scale


def _mean_output(layer: Layer, weight: Any, mean: Any) -> Any:
    """What weights make of an input that is its mean everywhere. mean: [channels]."""
    if layer.kind == "linear":
        return weight @ mean
    channels = mean.reshape(layer.groups, -1).repeat_interleave(weight.shape[0] // layer.groups, 0)
    return (weight.flatten(2).sum(2) * channels).sum(1)
