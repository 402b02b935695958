"""The weights of a TensorFlow Lite file for a model of PyTorch, as its state_dict. It writes no file.

TensorFlow Lite has batch normalisations folded into the layers before them. Those of the model become the identity:
their shift takes the bias where the layer has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.compile.module_layers import ModuleLayer, Norm, module_layers
from etbuild.compile.tflite_file import TfliteLayer, read_tflite
from etbuild.compile.weighted_layers import matched
from etbuild.errors import UsageError


class Taken(NamedTuple):
    """state: by the names of the model. pairs: the layer of the file, and that of the model."""

    state: dict[str, Any]
    pairs: Sequence[tuple[TfliteLayer, ModuleLayer]]


def weights_from(path: Path, program: Any, source: str) -> Taken:
    """The state_dict of a model with the weights of a .tflite.

    program: the model as ExportedProgram. source: its name for messages.
    raises:  UsageError when the file is not of this network, or leaves a tensor of the model without a value.
    """
    given, wanted = read_tflite(path), module_layers(program)
    numbers = matched(given, wanted, (str(path), source))
    pairs = [(given[number], layer) for number, layer in zip(numbers, wanted, strict=True)]
    state: dict[str, Any] = {}
    for one, layer in pairs:
        state |= _of_layer(path, one, layer)
    own = program.state_dict
    left = [name for name in own if name not in state and own[name].is_floating_point()]
    if left:
        raise UsageError(
            f"{path}: got no values for {', '.join(left[:5])} of {source}, wanted layers whose weights TensorFlow Lite "
            "has\n    it has convolutions, depthwise ones and linear layers, with a batch normalisation behind"
        )
    return Taken({name: state.get(name, own[name]).clone() for name in own}, pairs)


def _of_layer(path: Path, one: TfliteLayer, layer: ModuleLayer) -> dict[str, Any]:
    import torch

    weight, bias = torch.from_numpy(one.weight), torch.from_numpy(one.bias)
    state = {layer.weight: weight}
    if layer.bias is not None:
        state[layer.bias] = bias
    if layer.norm is not None:
        shift = torch.zeros_like(bias) if layer.bias is not None else bias
        return state | _identity(path, layer.norm, shift)
    if layer.bias is None and bias.any():
        raise UsageError(f"{path}: layer {one.name}: got a bias, wanted none, as {layer.name}\n    give it bias=True")
    return state


def _identity(path: Path, norm: Norm, shift: Any) -> dict[str, Any]:
    """A batch normalisation that multiplies by 1 and adds `shift`."""
    import torch

    variance = torch.full_like(shift, max(1.0 - norm.epsilon, 0.0))
    scale = (variance + norm.epsilon).sqrt()
    state = {norm.mean: torch.zeros_like(shift), norm.variance: variance}
    if norm.scale is not None and norm.shift is not None:
        return state | {norm.scale: scale, norm.shift: shift}
    if shift.any():
        raise UsageError(f"{path}: got a bias for {norm.mean}, wanted a normalisation with a shift: affine=True")
    return state
