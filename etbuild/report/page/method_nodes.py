"""The operators and layers of a program with several methods, with nodes whose names are distinct. It draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.report.page.layers import Layer

Json = dict[str, Any]


def distinct(operators: Sequence[Json], found: Sequence[Layer]) -> tuple[Sequence[Json], Sequence[Layer]]:
    """operators: of partition.json. Each method is a module of its own; a program with one is as it was."""
    if not any("method" in one for one in operators):
        return operators, found
    methods = {one["delegate"]: one["method"] for one in operators if one["delegate"] is not None}
    return [_operator(one) for one in operators], [_layer(one, methods.get(one.delegate, "")) for one in found]


def _operator(one: Json) -> Json:
    method = one["method"]
    inputs = [f"{method}.{name}" for name in one.get("inputs", ())]
    names = {key: f"{method}.{one[key]}" for key in ("node", "source", "module") if one.get(key)}
    return {**one, "module": method, **names, "inputs": inputs}


def _layer(one: Layer, method: str) -> Layer:
    node = one.about.get("node")
    return replace(one, about={**one.about, "node": f"{method}.{node}"}) if node else one
