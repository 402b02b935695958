"""layers.json: each layer of a model with its operators, what the NPU does for it, and its errors;
schemas/layers.schema.json documents every key. It runs nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etbuild.verify.layer_errors import BINS, LARGEST_LSB
from etbuild.verify.npu_work import npu_work, total

if TYPE_CHECKING:
    from etbuild.npu.vela_estimates import VelaLayer
    from etbuild.verify.executed_values import Built
    from etbuild.verify.layer_numbers import LayerNumbers, Numbers

FORMAT = 1
REMOVED = "lowering has removed it"
_OF_OPERATOR = ("node", "operator", "module", "line", "place", "delegate", "reason", "advice")

Json = dict[str, Any]


def layers(
    numbers: Numbers, built: Built, estimates: Sequence[Sequence[VelaLayer]], operators: Sequence[Json], vectors: int
) -> Json:
    """The content of layers.json but for the names of the build.

    estimates: Vela's, of each delegate. operators: of partition.json.
    """
    layer_of = {name: index for index, one in enumerate(numbers.layers) for name in one.layer.operators}
    work, others = npu_work(built, estimates, numbers.events, layer_of)
    by_source: dict[int | None, list[Json]] = {}
    for one in operators:
        if one["class"] == "compute":
            row = {name: one[name] for name in _OF_OPERATOR}
            by_source.setdefault(layer_of.get(one["source"] or ""), []).append(row)
    tosa, instructions = _tosa(built, layer_of), _instructions(built, layer_of)
    number_of = {one.layer.value: number for number, one in enumerate(numbers.layers)}
    rows = []
    for index, layer in enumerate(numbers.layers):
        its, inputs = by_source.get(index, []), [number_of[name] for name in layer.layer.reads]
        if not its and "executed" in layer.why:
            layer.why["executed"] = REMOVED
        npu = {"npu": work.get(index, []), "estimate": total(work.get(index, []))}
        made_of = {"tosa": tosa.get(index, []), "instructions": instructions.get(index, [])}
        row = {"layer": index, **_about(layer, its), "inputs": inputs, **made_of}
        rows.append({**row, **npu, **layer.to_json()})
    return {
        "vectors": vectors,
        "bins": {"values": BINS, "largest_lsb": LARGEST_LSB},
        "layers": rows,
        "other_operators": by_source.get(None, []),
        "other_npu_work": others,
        "worst": _worst(rows),
        "first_difference": _first_difference(numbers, built, layer_of),
    }


def _about(one: LayerNumbers, operators: Sequence[Json]) -> Json:
    """What a layer is called, and where it runs: NPU, CPU, or both; "" for one that lowering has removed."""
    modules = [name for row in operators if (name := row["module"])]
    lines = [line for row in operators if (line := row["line"])]
    return {
        "name": modules[0] if modules else one.layer.result,
        "module": modules[0] if modules else None,
        "line": lines[0] if lines else None,
        "place": "+".join(sorted({row["place"] for row in operators}, reverse=True)),
        "value": one.layer.value,
        "sources": list(one.layer.operators),
        "operators": list(operators),
    }


def _tosa(built: Built, layer_of: Mapping[str, int]) -> dict[int, list[list[int]]]:
    """For each layer the operators of TOSA graphs that it is made of: numbers of the delegate and of the operator."""
    found: dict[int, list[list[int]]] = {}
    for delegate, graph in enumerate(built.graphs):
        for number, tensor in enumerate(graph.operators):
            layer = layer_of.get(built.node_of(delegate, tensor))
            if layer is not None:
                found.setdefault(layer, []).append([delegate, number])
    return found


def _instructions(built: Built, layer_of: Mapping[str, int]) -> dict[int, list[int]]:
    """For each layer the numbers of the program's instructions that compute it on the CPU."""
    found: dict[int, list[int]] = {}
    for number, names in built.instructions.items():
        if len(names) == 1 and names[0] in layer_of:
            found.setdefault(layer_of[names[0]], []).append(int(number))
    return found


def _worst(rows: Sequence[Json]) -> list[int]:
    """Numbers of layers, those with the lowest SQNR of the executed program to the float model first; where there is no
    float model, to the quantised program. Layers without any error come last, those without a value not at all."""

    def key(row: Json) -> tuple[float, int] | None:
        errors = row["errors"]["executed_to_float"] or row["errors"]["executed_to_quantized"]
        if errors is None:
            return None
        return (float("inf") if errors["sqnr_db"] is None else errors["sqnr_db"], row["layer"])

    return [found[1] for found in sorted(filter(None, map(key, rows)))]


def _first_difference(numbers: Numbers, built: Built, layer_of: Mapping[str, int]) -> Json | None:
    """Where the executed program first differs from the delegates' TOSA graphs; None where it does not."""
    if numbers.difference is None:
        return None
    vector, found = numbers.difference
    result = found.wrong.result
    return {
        "vector": vector,
        "layer": layer_of.get(built.node_of(found.delegate, found.tensor)),
        "delegate": found.delegate,
        "tensor": found.tensor,
        "operation": result.operation,
        "word": result.word,
        "text": str(found.wrong),
    }
