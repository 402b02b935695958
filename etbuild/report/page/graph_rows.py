"""The rows of the graph: operators of partition.json with their time and errors, in groups by module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.report.page import graph

if TYPE_CHECKING:
    from etbuild.report.page.graph import Strokes
    from etbuild.report.page.layers import Layer
    from etbuild.report.page.numbers import Inside, Numbers

Json = dict[str, Any]
# More rows than this: modules below the first level begin closed.
MOST_OPEN = 40


class OperatorRow(NamedTuple):
    """An operator. share: of the time of all; heat, error: 0 to 1, for the colours; operations: the NPU's behind it."""

    operator: str
    module: str
    place: str
    line: str
    share: float
    heat: float
    error: float
    error_text: str
    operations: str
    strokes: Strokes
    is_group: bool = False

    @property
    def short(self) -> str:
        """Its name without what all have."""
        return self.operator.removeprefix("quantized_decomposed.").removesuffix(".default")


class GroupRow(NamedTuple):
    """A module with its rows. open: at the beginning."""

    path: str
    operators: int
    place: str
    share: float
    heat: float
    error: float
    error_text: str
    opened: Strokes
    closed: Strokes
    items: Sequence[OperatorRow | GroupRow]
    open: bool
    is_group: bool = True


class GraphRows(NamedTuple):
    """most: the share of the longest bar, 1 without times."""

    summary: str
    items: Sequence[OperatorRow | GroupRow]
    lanes: int
    most: float
    has_time: bool
    has_errors: bool
    has_groups: bool


def graph_rows(operators: Sequence[Json], found: Sequence[Layer], numbers: Inside) -> GraphRows:
    """The graph of a variant. operators: of partition.json; found: the NPU's layers."""
    shown = [one for one in operators if one["class"] == "compute" or one["place"] == "CPU"]
    nodes = _nodes(operators, {one["node"] for one in shown})
    drawn = graph.layout(nodes)
    behind: dict[str, list[Layer]] = {}
    for layer in found:
        behind.setdefault(layer.about.get("node", ""), []).append(layer)
    own = [behind.get(one.get("source") or one["node"], []) for one in shown]
    cycles = [
        numbers.cycles.get(one["node"], 0) if numbers.cycles else sum(layer.cycles for layer in some)
        for one, some in zip(shown, own, strict=True)
    ]
    total = sum(layer.cycles for layer in found) or 1
    most = max(cycles, default=0) / total
    rows = [
        _row(one, some, (took / total, took / total / (most or 1)), numbers.of.get(one["node"]), strokes)
        for one, some, took, strokes in zip(shown, own, cycles, drawn.strokes, strict=True)
    ]
    items = [_item(item, rows, 0) for item in drawn.tree]
    groups = any(item.is_group for item in items)
    has_errors = any(row.error_text for row in rows)
    summary = f"{_summary(shown)}{_rest(rows) if most else ''}"
    return GraphRows(summary, items, drawn.lanes, _largest(items) or 1.0, most > 0, has_errors, groups)


def _largest(items: Sequence[OperatorRow | GroupRow]) -> float:
    """The largest share of a row; a group of the first level, which begins open, counts by what is in it."""
    inner = [one for item in items for one in (item.items if isinstance(item, GroupRow) else (item,))]
    return max((one.share for one in inner), default=0.0)


def _row(
    one: Json,
    behind: Sequence[Layer],
    time: tuple[float, float],
    numbers: Numbers | None,
    strokes: Strokes,
) -> OperatorRow:
    """time: the share of all, and of the longest."""
    share, heat = time
    return OperatorRow(
        one["operator"],
        one["module"] or "",
        one["place"],
        one["line"] or "",
        share,
        heat,
        numbers.heat if numbers else 0.0,
        numbers.text if numbers else "",
        ", ".join(layer.operator for layer in behind),
        strokes,
    )


def _summary(shown: Sequence[Json]) -> str:
    places = [one["place"] for one in shown if one["class"] == "compute"]
    text = f"{len(places)} operators, {places.count('NPU')} on the NPU and {places.count('CPU')} on the CPU"
    converts = len(shown) - len(places)
    more = (
        f"; {converts} more on the CPU convert{'s' if converts == 1 else ''} from and to integers." if converts else "."
    )
    return text + more


def _rest(rows: Sequence[OperatorRow]) -> str:
    """The share of the time that no row has: transposes at a delegate's ends belong to no operator."""
    rest = 1 - sum(row.share for row in rows)
    return f" {rest * 100:.1f} % of the time is in NPU operations that belong to none of them." if rest > 5e-4 else ""


def _nodes(operators: Sequence[Json], shown: set[str]) -> list[graph.Node]:
    """The shown operators; those between them, which only quantise, are passed."""
    inputs = {one["node"]: one.get("inputs", ()) for one in operators}

    def reads(name: str) -> Iterator[str]:
        for before in inputs.get(name, ()):
            if before in shown:
                yield before
            else:
                yield from reads(before)

    return [
        graph.Node(one["node"], tuple(dict.fromkeys(reads(one["node"]))), one["module"] or "")
        for one in operators
        if one["node"] in shown
    ]


def _item(item: int | graph.Group, rows: Sequence[OperatorRow], depth: int) -> OperatorRow | GroupRow:
    if isinstance(item, int):
        return rows[item]
    inner = [rows[number] for number in item.rows]
    places = sorted({row.place for row in inner})
    share, worst = sum(row.share for row in inner), max(inner, key=lambda row: row.error)
    return GroupRow(
        item.path,
        len(inner),
        " and ".join(reversed(places)),
        share,
        max(row.heat for row in inner),
        worst.error,
        worst.error_text,
        item.opened,
        item.closed,
        [_item(one, rows, depth + 1) for one in item.items],
        depth == 0 or len(rows) <= MOST_OPEN,
    )


__all__ = ["GraphRows", "GroupRow", "OperatorRow", "graph_rows"]
