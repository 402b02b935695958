"""sensitivity.json: what the quantisation of each layer costs at the model's outputs, the worst first.

Each layer is alone: the float model, with nothing but this layer's own error in it. These errors are measured, and add
up to about that of the whole. With all layers but one they would be small differences of large numbers, and a layer
behind a worse one would seem to cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.compile.exported_program import module_path, source_line

if TYPE_CHECKING:
    from etbuild.tune.noise import Measured, Noise

FORMAT = 1
Json = dict[str, Any]


def sensitivity(measured: Measured, graph: Any) -> Json:
    """The content of sensitivity.json but for the names of the build. graph: of the quantised program."""
    nodes = {node.name: node for node in graph.nodes}
    known = [one for one in measured.layers if not one.why]
    costs = {id(one): _cost(one.power["all"], measured.signal) for one in known}
    total = sum(costs.values())
    rows = [_row(one, nodes, costs[id(one)], measured, total) for one in known]
    rows.sort(key=lambda row: -row["share"])
    return {
        "vectors": measured.samples,
        "sqnr_db": _db(_cost(measured.together, measured.signal)),
        "sum_db": _db(total),
        "accuracy": {name: right / measured.samples for name, right in measured.right.items()} or None,
        "layers": rows,
        "not_measured": [{**_about(one, nodes), "why": one.why} for one in measured.layers if one.why],
    }


def _row(one: Noise, nodes: Any, cost: float, measured: Measured, total: float) -> Json:
    parts = {name: _cost(power, measured.signal) for name, power in one.power.items() if name != "all"}
    accuracy = one.right / measured.samples if measured.right else None
    return {
        **_about(one, nodes),
        "sqnr_db": _db(cost),
        "share": round(cost / total, 6) if total else 0.0,
        "parts_db": {name: _db(part) for name, part in parts.items()} or None,
        "accuracy": accuracy,
        "seen": "executed" if one.seen == measured.samples else "quantized",
    }


def _about(one: Noise, nodes: Any) -> Json:
    """What a layer is called, and what rules of quantize.rules match it."""
    if one.layer is None:
        empty: Json = {"modules": [], "operators": [], "line": None, "value": one.name, "dtype": None}
        return {"name": f"input {one.name}", **empty}
    its = [nodes[name] for name in one.layer.operators]
    modules = list(dict.fromkeys(filter(None, map(module_of, its))))
    operators = [str(node.target).removeprefix("aten.").partition(".")[0] for node in its]
    return {
        "name": modules[0] if modules else one.layer.result,
        "modules": modules,
        "operators": operators,
        "line": next(filter(None, (source_line(node.meta.get("stack_trace")) for node in its)), None),
        "value": one.layer.value,
        "dtype": one.layer.params["dtype"] if one.layer.params else None,
    }


def module_of(node: Any) -> str:
    """The path of the innermost module that a node is in; "" for the model itself."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return module_path(str(stack[-1][0])) if stack else ""


def _cost(power: Sequence[float], signal: Sequence[float]) -> float:
    """Power of an error relative to that of the outputs, the mean over those that have any."""
    found = [one / all_of_it for one, all_of_it in zip(power, signal, strict=True) if all_of_it]
    return sum(found) / len(found) if found else 0.0


def _db(cost: float) -> float | None:
    """Signal to quantisation noise ratio; None without noise."""
    return round(-10 * math.log10(cost), 3) if cost else None


def worst_modules(found: Json) -> tuple[tuple[str, ...], ...]:
    """The modules of each layer with any, those that lose most by the rounding of their value first.

    found: the content of sensitivity.json.
    """
    rows = [row for row in found["layers"] if row["modules"] and row["parts_db"]["value"] is not None]
    return tuple(tuple(row["modules"]) for row in sorted(rows, key=lambda row: row["parts_db"]["value"]))
