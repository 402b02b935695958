"""Equalises the channels of layers that follow each other, so that one range of 8 bits suits them all.

A channel between two layers is divided by a power of two, and the weights of the layer behind multiplied by it: the
float model computes the same, bit for bit but for what overflows. The power is the one next to
sqrt(largest value of the channel / largest weight that reads it), relative to the mean of the channels: it balances
what the rounding of the value and of the weights costs.

Applies where a convolution or linear layer, perhaps with a batch normalisation, feeds one other alone, with nothing
between but ReLU, pooling, dropout and flatten: what commutes with a positive factor.

source: M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019; the ranges of
        values in place of weights: G. Xiao et al., SmoothQuant, 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting

# Operators f with f(a * x) = a * f(x) for a > 0, channel by channel.
_COMMUTING = (
    "relu",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "dropout",
    "flatten",
    "view",
    "reshape",
    "mean",
)
_LARGEST_EXPONENT = 12


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Equalise each pair whose first layer is among these; the names of both, as a->b."""
    pairs = _pairs(layers)
    largest = setting.moments.largest([first.last for first, _ in pairs]) if pairs else {}
    for first, second in pairs:
        _equalise(first, second, largest[first.last])
    return [f"{first.name}->{second.name}" for first, second in pairs]


def applies(module: Any) -> bool:
    """Whether a model has such layers. module: of the exported float program."""
    from etbuild.compile.weights.layers import layers_of

    layers = layers_of(module)
    return bool(layers and _pairs(layers))


def _pairs(layers: Sequence[Layer]) -> list[tuple[Layer, Layer]]:
    from etbuild.compile.weights.layers import layers_of

    behind = {layer.node: layer for layer in layers_of(layers[0].module)}
    pairs = [(first, behind[node]) for first in layers if (node := _next(first.last, behind)) is not None]
    return [pair for pair in pairs if _fits(*pair)]


def _equalise(first: Layer, second: Layer, values: Any) -> None:
    """values: the largest magnitude of each channel. Layers before have scaled the channels since: not these."""
    import torch

    weights = _largest_weights(second, values.numel())
    alive = (values > 0) & (weights > 0)
    if not alive.any():
        return
    ratio = torch.where(alive, values / weights.clamp_min(torch.finfo(weights.dtype).tiny), 1.0)
    exponents = torch.log2(ratio[alive]) / 2
    relative = torch.where(alive, torch.log2(ratio) / 2 - exponents.mean(), 0.0)
    scale = torch.exp2(relative.round().clamp(-_LARGEST_EXPONENT, _LARGEST_EXPONENT))
    first.scale_outputs(1 / scale)
    second.scale_inputs(scale)


def _largest_weights(layer: Layer, channels: int) -> Any:
    """The largest magnitude of the weights that read each channel."""
    weight = layer.weight.abs()
    if layer.kind == "linear":
        return weight.reshape(weight.shape[0], channels, -1).amax((0, 2))
    if layer.groups > 1:
        return weight.reshape(layer.groups, -1, weight.shape[1], *weight.shape[2:]).flatten(3).amax((1, 3)).flatten()
    return weight.flatten(2).amax((0, 2))


def _next(node: Any, layers: Any) -> Any:
    """The layer that alone reads the channels of a node; None where there is none."""
    while len(node.users) == 1:
        (user,) = node.users
        if user in layers and user.args[0] is node:
            return user
        if str(user.target).removeprefix("aten.").partition(".")[0].rstrip("_") not in _COMMUTING:
            return None
        node = user
    return None


def _fits(first: Layer, second: Layer) -> bool:
    """Whether each channel of the first is as many inputs of the second, in its order."""
    channels = first.weight.shape[0]
    if second.kind == "conv":
        return first.kind == "conv" and channels == second.weight.shape[1] * second.groups
    inputs = second.weight.shape[1]
    shape = second.node.args[0].meta["val"].shape
    return bool(inputs % channels == 0 and (first.kind == "linear" or shape[0] == 1 or inputs == channels))
