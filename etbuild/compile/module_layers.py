"""The layers with weights of an exported model, each with the batch normalisation behind it. It changes no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from etbuild.compile.weighted_layers import WeightedLayer
from etbuild.errors import UsageError

_CONVOLUTIONS = ("aten.conv2d.default", "aten.conv2d.padding", "aten.conv1d.default", "aten.convolution.default")
_LINEAR = "aten.linear.default"
_NORMS = ("aten.batch_norm.default", "aten._native_batch_norm_legit_no_training.default")
_RESHAPES = ("aten.flatten.using_ints", "aten.view.default", "aten.reshape.default", "aten.squeeze.dims")


class Norm(NamedTuple):
    """A batch normalisation by the names of its tensors; None for one without scale and shift."""

    scale: str | None
    shift: str | None
    mean: str
    variance: str
    epsilon: float


@dataclass(frozen=True, kw_only=True)
class ModuleLayer(WeightedLayer):
    """A layer of a model. weight, bias: their names in its state_dict. norm: the one that reads it alone."""

    weight: str
    bias: str | None
    norm: Norm | None


def module_layers(program: Any) -> list[ModuleLayer]:
    """The layers of an ExportedProgram, in the order of the operations. raises: UsageError for other layers."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    found: list[ModuleLayer] = []
    before: dict[Any, frozenset[int]] = {}
    for node in program.graph.nodes:
        own = frozenset().union(*(before.get(one, frozenset()) for one in node.all_input_nodes))
        if str(node.target) in (*_CONVOLUTIONS, _LINEAR) and node.args[1].name in names:
            found.append(_layer(node, names, own))
            own = frozenset({len(found) - 1})
        before[node] = own
    return found


def _layer(node: Any, names: dict[str, str], before: frozenset[int]) -> ModuleLayer:
    weight = names[node.args[1].name]
    bias = node.args[2] if len(node.args) > 2 else None
    shape = tuple(node.args[1].meta["val"].shape)
    is_linear = str(node.target) == _LINEAR
    if not is_linear and len(shape) != 4:
        raise UsageError(f"{weight}: got weights of {list(shape)}, wanted those of a convolution of images")
    stride = (1, 1) if is_linear else _pair(node.args[3] if len(node.args) > 3 else 1)
    group_inputs, inputs = shape[1], node.args[0].meta["val"].shape[-1 if is_linear else 1]
    depthwise = not is_linear and group_inputs == 1 and inputs > 1
    return ModuleLayer(
        name=weight.rpartition(".")[0] or weight,
        kind="linear layer" if is_linear else "depthwise convolution" if depthwise else "convolution",
        shape=shape,
        stride=stride,
        before=before,
        flattened=_flattened(node.args[0]) if is_linear else None,
        weight=weight,
        bias=names[bias.name] if bias is not None else None,
        norm=_norm(node, names),
    )


def _norm(node: Any, names: dict[str, str]) -> Norm | None:
    users = list(node.users)
    if len(users) != 1 or str(users[0].target) not in _NORMS or users[0].args[0] is not node:
        return None
    arguments = users[0].args
    scale, shift, mean, variance = (names[one.name] if one is not None else None for one in arguments[1:5])
    assert mean and variance, "a batch normalisation in evaluation has statistics"
    return Norm(scale, shift, mean, variance, float(arguments[7 if str(users[0].target) == _NORMS[0] else 6]))


def _flattened(node: Any) -> tuple[int, int, int] | None:
    """Channels, height and width that a reshape before a linear layer makes one axis."""
    while node.op == "call_function" and (str(node.target) in _RESHAPES or "dropout" in str(node.target)):
        node = node.args[0]
        shape = tuple(node.meta["val"].shape)
        if len(shape) == 4 and shape[2] * shape[3] > 1:
            return (shape[1], shape[2], shape[3])
    return None


def _pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[-1])
