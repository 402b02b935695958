"""Rounds weights up or down, whichever of the two makes the outputs of a layer differ least for calibration samples.

A layer's squared error is a quadratic form of its weights' errors: with the covariance of its inputs, which the samples
show. From the nearest integers on, one input after the other takes its other integer where that makes the form smaller,
for all outputs at once, four times at most; so it is never larger than with the nearest integers. What is left as a
mean error of the outputs goes to the bias, or the batch normalisation behind, as with correct_bias. The weights become
multiples of the scale that ExecuTorch's quantiser finds for them, and its own rounding gives these integers.

Applies to convolutions of one and two dimensions and linear layers whose weights are quantised.

source: M. Nagel et al., Up or Down? Adaptive Rounding for Post-Training Quantization, 2020, for the quadratic form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting

_LARGEST = {"int8": 127, "int16x8": 127, "a8w4": 7}
# The smallest scale of ExecuTorch's observers.
_LEAST_SCALE = 2.0**-16
# Nearer to an integer than this, a weight has no other one: the largest one, which decides the scale, is such.
_NO_OTHER = 1e-3
# Of the mean variance of the inputs, added to each: few samples do not show all directions.
_DAMPING = 0.01
_MOST_SWEEPS = 4
# Of aten's convolutions: input, weight, bias, stride, padding, dilation, groups.
_DEFAULTS = (None, None, None, (1,), (0,), (1,), 1)


@dataclass
class _Inputs:
    """What a layer multiplies with its weights. total: [groups, inputs]; squares: [groups, inputs, inputs]."""

    total: Any = 0.0
    squares: Any = 0.0
    count: int = 0

    def add(self, columns: Any) -> None:
        """columns: [groups, inputs, positions]."""
        self.total = self.total + columns.sum(2)
        self.squares = self.squares + columns @ columns.transpose(1, 2)
        self.count += columns.shape[2]


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Round the weights of each layer; the names of the layers."""
    from etbuild.compile.quantizer import scheme_of

    schemes = [scheme_of(setting.quantize, layer.node) for layer in layers]
    chosen = [
        (layer, _LARGEST[scheme], per_channel)
        for layer, (scheme, per_channel) in zip(layers, schemes, strict=True)
        if scheme in _LARGEST and layer.weight.dim() < 5
    ]
    found = _inputs_of([layer for layer, *_ in chosen], setting) if chosen else {}
    for layer, largest, per_channel in chosen:
        _round(layer, largest, per_channel, found[layer.node])
    return [layer.name for layer, *_ in chosen]


def _inputs_of(layers: Sequence[Layer], setting: Setting) -> Mapping[Any, _Inputs]:
    found = {layer.node: _Inputs() for layer in layers}

    def see(reader: Any, value: Any) -> None:
        found[reader].add(_columns(reader, value))

    setting.moments.visit_inputs(list(found), see)
    return found


def _columns(node: Any, value: Any) -> Any:
    """[groups, inputs, positions]: each column is what one output is computed from."""
    import torch

    if str(node.target) == "aten.linear.default":
        return value.reshape(-1, value.shape[-1]).T.unsqueeze(0)
    arguments: tuple[Any, ...] = (*node.args, *_DEFAULTS[len(node.args) :])
    stride, padding, dilation, groups = arguments[3:7]
    kernel = list(arguments[1].meta["val"].shape[2:])
    value = value if value.dim() == len(kernel) + 2 else value.unsqueeze(0)  # A single one without a first axis.
    rows: list[list[int]] = [_of_each(one, len(kernel)) for one in (kernel, dilation, padding, stride)]
    if len(kernel) == 1:  # An image of one row.
        value = value.unsqueeze(2)
        rows = [[fill, *one] for fill, one in zip((1, 1, 0, 1), rows, strict=True)]
    found = torch.nn.functional.unfold(value, *rows)
    return found.reshape(found.shape[0], groups, -1, found.shape[2]).permute(1, 2, 0, 3).flatten(2)


def _of_each(sizes: Sequence[int], count: int) -> list[int]:
    """One size for each dimension; aten has a single one for equal ones."""
    return list(sizes) if len(sizes) == count else [sizes[0]] * count


def _round(layer: Layer, largest: int, per_channel: bool, inputs: _Inputs) -> None:
    import torch

    weight, mean = layer.weight, inputs.total / inputs.count
    factor = layer.factor.reshape(-1, *[1] * (weight.dim() - 1))
    folded = weight * factor
    ends = folded.abs().flatten(1).amax(1) if per_channel else folded.abs().max().reshape(1)
    scale = (ends / largest).clamp_min(_LEAST_SCALE).reshape(-1, *[1] * (weight.dim() - 1))
    groups, count = inputs.squares.shape[:2]
    squares = inputs.squares.double() / inputs.count
    if layer.has_offset:
        squares = squares - mean.double().unsqueeze(2) @ mean.double().unsqueeze(1)
    wanted = (folded / scale).reshape(groups, -1, count)
    integers = best_integers(wanted, squares.to(wanted.dtype), largest).reshape(weight.shape)
    rounded = torch.where(factor == 0, weight, integers * scale / torch.where(factor == 0, 1, factor))
    if layer.has_offset:
        error = (rounded - weight).reshape(groups, -1, count) @ mean.unsqueeze(2)
        layer.subtract_mean_error(error.flatten())
    layer.set_weight(rounded)


def best_integers(wanted: Any, squares: Any, largest: int) -> Any:
    """Integers next to the wanted numbers.

    wanted:  [groups, outputs, inputs]. squares: [groups, inputs, inputs], the mean products of two inputs.
    largest: magnitude of the integers.
    """
    import torch

    nearest = wanted.round().clamp(-largest, largest)
    rest = wanted - nearest
    other = (nearest + rest.sign()).clamp(-largest, largest)
    other = torch.where(rest.abs() < _NO_OTHER, nearest, other)
    found, step = nearest.clone(), other - nearest
    diagonal = squares.diagonal(dim1=1, dim2=2)
    squares = squares + torch.diag_embed(_DAMPING * diagonal.mean(1, keepdim=True).expand_as(diagonal))
    slope = (found - wanted) @ squares
    for _ in range(_MOST_SWEEPS):
        changes = 0
        for column in range(wanted.shape[2]):
            change = torch.where(found[..., column] == nearest[..., column], step[..., column], -step[..., column])
            gain = change * (2 * slope[..., column] + change * squares[:, column, column].unsqueeze(1))
            change = torch.where(gain < 0, change, 0)
            found[..., column] += change
            slope += change.unsqueeze(2) * squares[:, column].unsqueeze(1)
            changes += int(change.count_nonzero())
        if not changes:
            break
    return found
