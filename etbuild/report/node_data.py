"""Node data for Model Explorer: figures of layers at the nodes of its TOSA and PTE graphs. It draws nothing.

Its format: {graph: {name, results: {node: {value}}, gradient}}. A graph of a .tosa is named by its region, its nodes by
the number of the operator; one of a .pte by its method, its nodes by the number of the instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from etbuild.report.figures import Json

TOSA_GRAPH, PTE_GRAPH = "main", "forward"
_LOW, _HIGH = "#f7fbff", "#d7301f"


class Figure(NamedTuple):
    """What is shown. value: of a layer of layers.json, None where it has none. is_good: larger values are better."""

    name: str
    title: str
    value: Callable[[Json], float | None]
    is_good: bool = False


FIGURES = (
    Figure("cycles", "cycles (Vela's estimate)", lambda one: one["estimate"] and one["estimate"]["cycles"]["total"]),
    Figure("sqnr", "SQNR to the float model [dB]", lambda one: _of(one, "executed_to_float", "sqnr_db"), is_good=True),
    Figure("error", "error to PT2E's program [LSB]", lambda one: _of(one, "executed_to_quantized", "largest_lsb")),
    Figure("clipped", "clipped values of the float model", lambda one: (one["clipped"] or {}).get("float")),
)


def node_data(layers: Json) -> Iterator[tuple[str, Json]]:
    """Files by name, without those that show nothing. layers: of layers.json."""
    delegates = sorted({delegate for one in layers["layers"] for delegate, _ in one["tosa"]})
    for figure in FIGURES:
        for delegate in delegates:
            nodes = ((f"{TOSA_GRAPH}/op{n}", one) for one in layers["layers"] for d, n in one["tosa"] if d == delegate)
            if results := _results(figure, nodes):
                yield f"{delegate}.tosa.{figure.name}.json", _graph(TOSA_GRAPH, figure, results)
        nodes = ((f"{PTE_GRAPH}_0_{n}", one) for one in layers["layers"] for n in one["instructions"])
        if results := _results(figure, nodes):
            yield f"model.pte.{figure.name}.json", _graph(PTE_GRAPH, figure, results)


def _results(figure: Figure, nodes: Iterator[tuple[str, Json]]) -> Json:
    values = ((node, figure.value(layer)) for node, layer in nodes)
    return {node: {"value": value} for node, value in values if value is not None}


def _graph(graph: str, figure: Figure, results: Json) -> Json:
    ends = (_HIGH, _LOW) if figure.is_good else (_LOW, _HIGH)
    gradient = [{"stop": stop, "bgColor": colour} for stop, colour in enumerate(ends)]
    return {graph: {"name": figure.title, "results": results, "gradient": gradient}}


def _of(layer: Json, pair: str, name: str) -> float | None:
    errors = layer["errors"][pair]
    value: float | None = errors and errors[name]
    return value
