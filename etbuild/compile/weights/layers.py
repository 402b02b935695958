"""The layers of a float module that have weights, and what calibration samples show of their inputs. It changes none by
itself.
"""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etbuild.compile.modules_of_nodes import module_names

if TYPE_CHECKING:
    from etbuild.recipe.data_sections import Quantize
    from etbuild.recipe.weight_sections import WeightChange

_KINDS = {
    "aten.conv1d.default": "conv",
    "aten.conv2d.default": "conv",
    "aten.conv3d.default": "conv",
    "aten.linear.default": "linear",
}
_NORMS = ("aten.batch_norm.default",)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer whose weights no other layer has.

    kind:   conv or linear. node: of the graph.
    norm:   the batch normalisation behind it, None where there is none.
    groups: of a convolution.
    """

    module: Any
    node: Any
    kind: str
    norm: Any
    groups: int

    @property
    def name(self) -> str:
        """The path of its module; of its weights for a call that is in none."""
        names = module_names([self.node], "module_name")
        return max(names, key=len) if names else str(self.node.args[1].target).rpartition(".")[0]

    @property
    def last(self) -> Any:
        """The node behind which other operators follow."""
        return self.norm or self.node

    @property
    def weight(self) -> Any:
        """[outputs, inputs of a group, ...]."""
        return tensor_of(self.module, self.node.args[1])

    def set_weight(self, value: Any) -> None:
        _set(self.module, self.node.args[1], value)

    @property
    def bias(self) -> Any:
        """[outputs]; None where it has none."""
        return tensor_of(self.module, self.node.args[2]) if len(self.node.args) > 2 and self.node.args[2] else None

    def set_bias(self, value: Any) -> None:
        _set(self.module, self.node.args[2], value)

    def scale_outputs(self, scale: Any) -> None:
        """Multiply each output, of the batch normalisation where there is one. scale: [outputs]."""
        if self.norm is not None:
            for argument in self.norm.args[1:3]:
                _set(self.module, argument, tensor_of(self.module, argument) * scale)
            return
        self.set_weight(self.weight * scale.reshape(-1, *[1] * (self.weight.dim() - 1)))
        if self.bias is not None:
            self.set_bias(self.bias * scale)

    def scale_inputs(self, scale: Any) -> None:
        """Multiply the weights of each input. scale: [inputs], or [channels] of an input that was flattened."""
        weight = self.weight
        if self.kind == "linear":
            self.set_weight(weight * scale.repeat_interleave(weight.shape[1] // scale.numel()))
        elif self.groups > 1:
            each = weight.shape[0] // self.groups
            columns = scale.reshape(self.groups, -1).repeat_interleave(each, 0)
            self.set_weight(weight * columns.reshape(*columns.shape, *[1] * (weight.dim() - 2)))
        else:
            self.set_weight(weight * scale.reshape(1, -1, *[1] * (weight.dim() - 2)))

    def subtract_mean_error(self, error: Any) -> None:
        """Take a mean error of each output back. error: [outputs]."""
        if self.bias is not None:
            self.set_bias(self.bias - error)
        elif self.norm is not None:
            mean = self.norm.args[3]
            _set(self.module, mean, tensor_of(self.module, mean) + error)

    @property
    def factor(self) -> Any:
        """By which the batch normalisation behind multiplies each output: [outputs]; ones where there is none."""
        import torch

        if self.norm is None:
            return torch.ones(self.weight.shape[0])
        scale, variance = (tensor_of(self.module, self.norm.args[number]) for number in (1, 4))
        return scale * torch.rsqrt(variance + self.norm.args[7])

    @property
    def has_offset(self) -> bool:
        return self.bias is not None or self.norm is not None


@dataclass(frozen=True)
class Setting:
    """How weights are changed. one: the entry of quantize.weights."""

    one: WeightChange
    quantize: Quantize
    moments: Moments


class Moments:
    """What calibration samples show of nodes. samples: the leaves of each call."""

    def __init__(self, module: Any, samples: Sequence[Sequence[Any]]) -> None:
        self._module, self._samples = module, samples

    def largest(self, nodes: Sequence[Any]) -> dict[Any, Any]:
        """The largest magnitude of each channel, by node."""
        import torch

        return self._over_samples(nodes, lambda values: values.abs().amax((0, 2)), torch.maximum)

    def means(self, nodes: Sequence[Any]) -> dict[Any, Any]:
        """The mean of each channel, by node."""
        found = self._over_samples(nodes, lambda values: values.mean((0, 2)), operator.add)
        return {node: total / len(self._samples) for node, total in found.items()}

    def visit_inputs(self, nodes: Sequence[Any], see: Callable[[Any, Any], None]) -> None:
        """Call see(node, value of its first input) for each of these nodes, in each sample."""
        readers: dict[Any, list[Any]] = {}
        for node in nodes:
            readers.setdefault(node.args[0], []).append(node)

        def pass_on(node: Any, value: Any) -> None:
            for reader in readers[node]:
                see(reader, value)

        self._visit(list(readers), pass_on)

    def _over_samples(self, nodes: Sequence[Any], of_sample: Any, joined: Any) -> dict[Any, Any]:
        """of_sample: of [samples, channels, elements]."""
        found: dict[Any, Any] = {}

        def see(node: Any, value: Any) -> None:
            row = of_sample(_by_channel(value))
            found[node] = joined(found[node], row) if node in found else row

        self._visit(nodes, see)
        return found

    def _visit(self, nodes: Sequence[Any], see: Callable[[Any, Any], None]) -> None:
        """Call see(node, its value) for each of these nodes, in each sample."""
        import torch

        wanted = set(nodes)

        class Recorder(torch.fx.Interpreter):  # type: ignore[misc]  # PyTorch's classes are untyped
            def run_node(self, node: Any) -> Any:
                value = super().run_node(node)
                if node in wanted:
                    see(node, value)
                return value

        with torch.no_grad():
            for sample in self._samples:
                Recorder(self._module).run(*sample, enable_io_processing=False)


def layers_of(module: Any) -> list[Layer]:
    """In the order of the graph; without those that share their weights, or have weights that are no constants."""
    called = [node for node in module.graph.nodes if str(node.target) in _KINDS]
    uses = Counter(str(getattr(node.args[1], "target", "")) for node in called)
    return [
        Layer(module, node, _KINDS[str(node.target)], _norm(node), _groups(node))
        for node in called
        if node.args[1].op == "get_attr" and uses[str(node.args[1].target)] == 1
    ]


def tensor_of(module: Any, node: Any) -> Any:
    """The constant that a node gives."""
    return operator.attrgetter(node.target)(module).detach()


def _set(module: Any, node: Any, value: Any) -> None:
    """Replace a constant. The program that the module is from keeps its own."""
    import torch

    path, _, name = str(node.target).rpartition(".")
    owner = functools.reduce(getattr, filter(None, path.split(".")), module)
    if name in owner._parameters:
        owner._parameters[name] = torch.nn.Parameter(value.clone(), requires_grad=False)
    else:
        owner._buffers[name] = value.clone()


def _norm(node: Any) -> Any:
    """The batch normalisation that alone reads it, with scale and shift."""
    (user,) = node.users if len(node.users) == 1 else (None,)
    if user is None or str(user.target) not in _NORMS or user.args[1] is None or user.args[2] is None:
        return None
    return user


def _groups(node: Any) -> int:
    return int(node.args[6]) if len(node.args) > 6 else 1


def _by_channel(value: Any) -> Any:
    """[samples, channels, elements]; the last axis of what is no image are channels."""
    if value.dim() >= 3 and value.shape[0] >= 1:
        return value.reshape(value.shape[0], value.shape[1], -1)
    return value.reshape(-1, value.shape[-1], 1)
