"""The graph of a program as rows in the order of execution, with lanes for the values that wait. It draws nothing.

A value keeps its lane from the row that makes it to the last row that reads it; a chain is one lane. Rows of one module
form a group, which can be shown as one row: `Group.closed` is how that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Node(NamedTuple):
    """An operator. inputs: the names of the nodes whose results it reads; module: "" for the model itself."""

    name: str
    inputs: tuple[str, ...]
    module: str


class Strokes(NamedTuple):
    """What one row draws, in lanes from the left.

    dot:     the lane of the row's node; None for the head of an open group.
    through: lanes that pass.
    above:   lanes that end in the dot.
    below:   lanes that begin in the dot.
    """

    dot: int | None
    through: tuple[int, ...]
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        return 1 + max((*self.through, *self.above, *self.below, self.dot or 0))


NOTHING = Strokes(None, ())


@dataclass
class Group:
    """The rows of a module that follow each other.

    path:   of the module, e.g. "features.3.conv".
    items:  rows (indices of nodes) and groups, in order.
    first, last: of its rows.
    opened: the strokes of its head above its rows; closed: of its head in their place.
    """

    path: str
    first: int
    items: list[int | Group] = field(default_factory=list)
    last: int = 0
    opened: Strokes = NOTHING
    closed: Strokes = NOTHING

    @property
    def rows(self) -> range:
        return range(self.first, self.last + 1)


class Layout(NamedTuple):
    """strokes: of each node. tree: groups and rows, in order. lanes: how many there are at most."""

    strokes: tuple[Strokes, ...]
    tree: tuple[int | Group, ...]
    lanes: int


def layout(nodes: Sequence[Node]) -> Layout:
    """The drawing of a graph. nodes: in the order of execution; unknown inputs are left out."""
    number = {node.name: row for row, node in enumerate(nodes)}
    reads = [tuple(dict.fromkeys(number[name] for name in node.inputs if number.get(name, row) < row)) for row, node in
             enumerate(nodes)]  # fmt: skip
    last_use = dict[int, int]()
    for row, values in enumerate(reads):
        last_use |= dict.fromkeys(values, row)
    lane = _lanes(reads, last_use)
    strokes = tuple(_strokes(range(row, row + 1), reads, last_use, lane) for row in range(len(nodes)))
    root = Group("", 0, last=len(nodes) - 1)
    _fill(root, [(node.module.split(".") if node.module else []) for node in nodes], 0)
    for group in _groups(root):
        group.closed = _strokes(group.rows, reads, last_use, lane)
        group.opened = Strokes(None, tuple(sorted({*group.closed.through, *group.closed.above})))
    lanes = max((one.width for one in strokes), default=1)
    return Layout(strokes, tuple(root.items), lanes)


def _lanes(reads: Sequence[Sequence[int]], last_use: Mapping[int, int]) -> list[int]:
    """The lane of each row's value: that of an input that nobody reads later, else the first free one."""
    lane: list[int] = []
    waiting: dict[int, int] = {}
    for row, values in enumerate(reads):
        ends = [lane[value] for value in values if last_use[value] == row]
        waiting = {value: at for value, at in waiting.items() if last_use[value] > row}
        taken = set(waiting.values())
        free = (at for at in range(len(taken) + 1) if at not in taken)
        own = min(ends) if ends else next(free)
        lane.append(own)
        if last_use.get(row, row) > row:
            waiting[row] = own
    return lane


def _strokes(rows: range, reads: Sequence[Sequence[int]], last_use: Mapping[int, int], lane: Sequence[int]) -> Strokes:
    """Of some rows that are drawn as one."""
    before = [value for value in range(rows.start) if last_use.get(value, -1) >= rows.start]
    used = {value for row in rows for value in reads[row]}
    through = {lane[value] for value in before if last_use[value] >= rows.stop}
    above = {lane[value] for value in before if value in used}
    below = {lane[row] for row in rows if last_use.get(row, -1) >= rows.stop}
    dot = min(below or above or {lane[rows.start]})
    return Strokes(dot, tuple(sorted(through)), tuple(sorted(above)), tuple(sorted(below)))


def _fill(group: Group, modules: Sequence[Sequence[str]], depth: int) -> None:
    """Sort the rows of a group into its items. A module with a single row is no group."""
    row = group.first
    while row <= group.last:
        module = modules[row]
        if len(module) <= depth:
            group.items.append(row)
            row += 1
            continue
        end = row
        while end < group.last and modules[end + 1][: depth + 1] == module[: depth + 1]:
            end += 1
        if end == row:
            group.items.append(row)
        else:
            inner = Group(".".join(module[: depth + 1]), row, last=end)
            _fill(inner, modules, depth + 1)
            # A module that has nothing but one other module is that one.
            only = inner.items[0]
            group.items.append(only if len(inner.items) == 1 and isinstance(only, Group) else inner)
        row = end + 1


def _groups(group: Group) -> Iterator[Group]:
    for item in group.items:
        if isinstance(item, Group):
            yield item
            yield from _groups(item)
