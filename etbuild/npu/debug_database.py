"""Vela's debug database (<n>_debug.xml): in one form, and the names of the layers in a command stream.

It decodes no command. The database is XML with tables of comma-separated values; "perf" has a row per layer, "queue" a
row per operation of the stream.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The tag before the rows has the table's name.
_TABLE = re.compile(r'((?:<table name="(\w+)">\s*)?<!\[CDATA\[)(.*?)(\]\]>)', re.S)
_OWN_TENSOR = re.compile(r"#(\d+)")
_CELL = re.compile(r'(?:^|,)("(?:[^"]|"")*"|[^,]*)')


@dataclass(frozen=True)
class Layers:
    """Layers in the order of the stream.

    ends:    the byte offset of each one's last operation in the stream.
    tensors: the tensor that each one computes, as the TOSA graph names it.
    """

    ends: tuple[int, ...]
    names: tuple[str, ...]
    tensors: tuple[str, ...]

    def at(self, word: int) -> str:
        """The layer of the operation at that word of the stream, "" beyond the last."""
        return self._at(self.names, word)

    def tensor_at(self, word: int) -> str:
        """The tensor that the operation at that word computes, "" where it is not known."""
        return self._at(self.tensors, word)

    def _at(self, column: tuple[str, ...], word: int) -> str:
        index = bisect_left(self.ends, word * 4)
        return column[index] if index < len(column) else ""


def read_layers(path: Path) -> Layers:
    """The layers in a database. A file with other content gives no layers: the names are for people only."""
    tables = tables_of(path)
    layers = {row.get("id", ""): (_name(row), row.get("name", "")) for row in tables.get("perf", [])}
    rows = sorted(
        (int(row["offset"]), *layers.get(row.get("scheduled_id", ""), ("", "")))
        for row in tables.get("queue", [])
        if row.get("offset", "").isdigit()
    )
    ends, names, tensors = zip(*rows, strict=True) if rows else ((), (), ())
    return Layers(ends, names, tensors)


def tables_of(path: Path) -> dict[str, list[dict[str, str]]]:
    """The tables of a database, by name, with their rows."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return {name: list(csv.DictReader(rows.strip().splitlines())) for _, name, rows, _ in _TABLE.findall(text)}


def layers_of_delegate(pte: Path, delegate: int) -> Layers:
    """The layers of one delegate of a .pte in a build's folder, which has Vela's files in vela/; else none."""
    database = pte.parent / "vela" / f"{delegate}_debug.xml"
    return read_layers(database) if database.is_file() else Layers((), (), ())


def normalised(database: str) -> str:
    """The database as equal runs of Vela give it, whatever its process has compiled before.

    Vela orders the columns of each memory by addresses in its process, and numbers what it schedules, and tensors,
    through all that the process compiles. So the columns behind the first of each table are sorted by name, and these
    numbers count from 0 in each database; no other value changes.
    """
    database = _TABLE.sub(lambda table: table[1] + _with_sorted_columns(table[3]) + table[4], database)
    numbers: dict[str, dict[str, str]] = {"scheduled": {}, "tensor": {}}
    return _TABLE.sub(lambda table: table[1] + _renumbered(table[2] or "", table[3], numbers) + table[4], database)


def numbered_from_1(texts: Sequence[str]) -> list[str]:
    """Vela's files of one compilation with its own tensors, "#580", numbered from 1: it counts through its process."""
    found = sorted({int(number) for text in texts for number in _OWN_TENSOR.findall(text)})
    ranks = {number: f"#{rank}" for rank, number in enumerate(found, start=1)}
    return [_OWN_TENSOR.sub(lambda match: ranks[int(match[1])], text) for text in texts]


def _with_sorted_columns(table: str) -> str:
    lines = table.split("\n")
    rows = [_CELL.findall(line) if line.strip() else None for line in lines]
    head = next((row for row in rows if row), [])
    order = [*range(min(1, len(head))), *sorted(range(1, len(head)), key=lambda column: (head[column], column))]
    return "\n".join(
        line if row is None or len(row) != len(head) else ",".join(row[column] for column in order)
        for line, row in zip(lines, rows, strict=True)
    )


def _renumbered(name: str, table: str, numbers: Mapping[str, dict[str, str]]) -> str:
    """numbers: new ones by old ones, of each kind; those of this table are added."""
    lines = table.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    head = _CELL.findall(lines[start]) if start < len(lines) else []
    kinds = [_numbered(name, cell.strip('"')) for cell in head]
    if not any(kinds):
        return table
    rows = [(line, _CELL.findall(line)) for line in lines[start + 1 :]]
    if "tensor" in kinds:
        rows.sort(key=lambda row: _order(row[1], kinds.index("tensor")))
    changed = [line if len(row) != len(head) else _with_numbers(row, kinds, numbers) for line, row in rows]
    return "\n".join([*lines[: start + 1], *changed])


def _numbered(table: str, column: str) -> str:
    """What a column numbers; "" for one whose numbers stay."""
    scheduled = column in ("scheduled_id", "input_op_id") or (column == "id" and table.startswith("perf"))
    return "scheduled" if scheduled else "tensor" if (table, column) == ("tensors", "id") else ""


def _order(row: Sequence[str], column: int) -> tuple[bool, int]:
    """Lines that are no rows stay last."""
    return (False, int(row[column])) if len(row) > column and row[column].isdecimal() else (True, 0)


def _with_numbers(row: Sequence[str], kinds: Sequence[str], numbers: Mapping[str, dict[str, str]]) -> str:
    """Negative numbers, which stand for inputs and outputs of the graph, stay."""
    cells = []
    for cell, kind in zip(row, kinds, strict=True):
        is_number = bool(kind) and cell.isdecimal()
        cells.append(numbers[kind].setdefault(cell, str(len(numbers[kind]))) if is_number else cell)
    return ",".join(cells)


def _name(row: Mapping[str, str]) -> str:
    return " ".join(filter(None, (row.get("operator", ""), row.get("name", ""))))
