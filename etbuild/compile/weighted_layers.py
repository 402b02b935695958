"""The layers with weights of a network, and which of two networks' layers are the same. It reads no file.

Two networks match when one assignment of their layers keeps kind, shape and stride of each, and what it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from etbuild.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class WeightedLayer:
    """One layer.

    kind:      "convolution", "depthwise convolution" or "linear layer".
    shape:     of its weights as in PyTorch: [outputs, inputs of a group, height, width], [outputs, inputs].
    before:    the numbers of the layers that its input comes from, with nothing between that has weights.
    flattened: channels, height and width that are one axis of a linear layer's input; None without positions.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    stride: tuple[int, int]
    before: frozenset[int]
    flattened: tuple[int, int, int] | None

    @property
    def text(self) -> str:
        """The layer for messages."""
        stride = "" if self.kind == "linear layer" else f", stride {self.stride[0]}"
        return f"{self.kind} of {list(self.shape)}{stride}"

    @property
    def label(self) -> tuple[Any, ...]:
        """What both layers of a pair have."""
        return self.kind, self.shape, self.stride, self.flattened


def matched(given: Sequence[WeightedLayer], wanted: Sequence[WeightedLayer], places: tuple[str, str]) -> list[int]:
    """For each wanted layer the number of its given one.

    places: of both, for messages.
    raises: UsageError when the networks differ, with the first difference, and when several assignments fit.
    """
    import networkx

    graphs = []
    for layers in (given, wanted):
        graph = networkx.DiGraph()
        graph.add_nodes_from((number, {"label": layer.label}) for number, layer in enumerate(layers))
        graph.add_edges_from((source, number) for number, layer in enumerate(layers) for source in layer.before)
        graphs.append(graph)
    matcher = networkx.algorithms.isomorphism.DiGraphMatcher(
        graphs[1], graphs[0], node_match=lambda one, other: one["label"] == other["label"]
    )
    found = list(islice(matcher.isomorphisms_iter(), 2))
    if not found:
        raise _difference(given, wanted, places)
    if len(found) > 1:
        number = next(number for number in found[0] if found[0][number] != found[1][number])
        one, other = (given[pairs[number]].name for pairs in found)
        raise UsageError(
            f"{places[0]}: got two layers that fit {wanted[number].name} of {places[1]}, {one} and {other}, "
            "wanted one\n"
            "    neither shapes nor what the layers read tells them apart"
        )
    return [found[0][number] for number in range(len(wanted))]


def _difference(given: Sequence[WeightedLayer], wanted: Sequence[WeightedLayer], places: tuple[str, str]) -> UsageError:
    """Names the first layers, in the order of the operations, that the other network has not."""
    file, model = places
    one, other = _without_pair(given, wanted, False), _without_pair(wanted, given, False)
    if one and other:
        return UsageError(
            f"{file}: layer {one.name}: got a {one.text}, wanted a {other.text}, as {other.name} of {model}"
        )
    if one or other:
        more = f"no layer is {other.name}, a {other.text}," if other else f"{one.name if one else ''} is none"
        return UsageError(f"{file}: got {len(given)} layers with weights, wanted {len(wanted)}: {more} of {model}")
    one, other = _without_pair(given, wanted, True), _without_pair(wanted, given, True)
    if one is None or other is None:
        return UsageError(f"{file}: got layers that read others, wanted those of {model}")
    return UsageError(
        f"{file}: layer {one.name}: got one that reads {_reads(one, given)}, wanted {_reads(other, wanted)}, "
        f"as {other.name} of {model}"
    )


def _without_pair(
    layers: Sequence[WeightedLayer], others: Sequence[WeightedLayer], with_inputs: bool
) -> WeightedLayer | None:
    """The first layer that has none like it left among the others. with_inputs: what it reads counts too."""

    def key(layer: WeightedLayer, own: Sequence[WeightedLayer]) -> Any:
        return (layer.label, sorted(str(own[one].label) for one in layer.before)) if with_inputs else layer.label

    left = [key(layer, others) for layer in others]
    for layer in layers:
        if key(layer, layers) not in left:
            return layer
        left.remove(key(layer, layers))
    return None


def _reads(layer: WeightedLayer, layers: Sequence[WeightedLayer]) -> str:
    return " and ".join(layers[one].name for one in sorted(layer.before)) or "the network's input"
