"""What the NPU does for each layer of a model: the layers that Vela made of it, with Vela's estimates, and operations
of the command stream, with what the emulator counted. It compares nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etbuild.npu.vela_estimates import layer_at

if TYPE_CHECKING:
    from etbuild.host.observation import Event
    from etbuild.npu.vela_estimates import VelaLayer
    from etbuild.verify.executed_values import Built

Json = dict[str, Any]


def npu_work(
    built: Built, estimates: Sequence[Sequence[VelaLayer]], events: Sequence[Event], layer_of: Mapping[str, int]
) -> tuple[dict[int, list[Json]], list[Json]]:
    """Vela's layers by layer of the model, in the order of the streams; and those of none.

    estimates: of each delegate. events: of one run. layer_of: by node of the quantised program.
    """
    found: dict[int, list[Json]] = {}
    others: list[Json] = []
    for delegate, its in enumerate(estimates):
        at = layer_at(its)
        operations: dict[int | None, list[Json]] = {}
        for event in events:
            if event.delegate == delegate:
                operations.setdefault(at(event.word), []).append(_operation(event))
        for number, layer in enumerate(its):
            row = {"delegate": delegate, **_estimate(layer), "operations": operations.get(number, [])}
            model_layer = layer_of.get(_node(built, delegate, layer))
            (others if model_layer is None else found.setdefault(model_layer, [])).append(row)
    return found, others


def total(rows: Sequence[Json]) -> Json | None:
    """The sum of Vela's estimates; None without any."""
    if not rows:
        return None
    cycles: dict[str, int] = {}
    for row in rows:
        for name, count in row["cycles"].items():
            cycles[name] = cycles.get(name, 0) + count
    return {"kind": "estimate", "cycles": cycles, "macs": sum(row["macs"] for row in rows), "bound_by": _bound(cycles)}


def _node(built: Built, delegate: int, layer: VelaLayer) -> str:
    """The node of the quantised program that a layer is made from, by its tensor, or its operator of the TOSA graph."""
    if node := built.node_of(delegate, layer.tensor):
        return node
    operators = built.graphs[delegate].operators
    if layer.source is None or layer.source >= len(operators):
        return ""
    return built.node_of(delegate, operators[layer.source])


def _estimate(layer: VelaLayer) -> Json:
    traffic = {memory: {"read": read, "written": written} for memory, (read, written) in layer.traffic.items()}
    return {
        "tensor": layer.tensor,
        "operator": layer.operator,
        "kind": "estimate",
        "cycles": layer.cycles,
        "bound_by": _bound(layer.cycles),
        "macs": layer.macs,
        "mac_utilisation": layer.mac_utilisation,
        "staging_bytes": layer.staging_bytes,
        "traffic_bytes": traffic,
    }


def _bound(cycles: Mapping[str, int]) -> str:
    """What takes the most cycles: "npu", or the access to a memory."""
    return max((one for one in cycles if one != "total"), key=lambda one: cycles[one], default="npu")


def _operation(event: Event) -> Json:
    """An operation of the stream, as the emulator counted it."""
    row: Json = {"operation": event.operation, "word": event.word, "opcode": event.name, "macs": event.macs}
    row |= {"read_bytes": list(event.read), "written_bytes": list(event.written)}
    shapes = {"ifm": event.ifm, "ifm2": event.ifm2, "ofm": event.ofm}
    return row | {name: list(shape) for name, shape in shapes.items() if shape is not None}
