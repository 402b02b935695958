"""Vela's debug database (<n>_debug.xml): its columns in one order, and the names of the layers in a command stream.

It decodes no command. The database is XML with tables of comma-separated values; "perf" has a row per layer, "queue" a
row per operation of the stream.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The tag before the rows has the table's name.
_TABLE = re.compile(r'((?:<table name="(\w+)">\s*)?<!\[CDATA\[)(.*?)(\]\]>)', re.S)
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
    """The database with the columns behind the first of each table sorted by name; no value changes.

    Vela orders the columns of each memory by addresses in its process, so equal runs give different files.
    """
    return _TABLE.sub(lambda table: table[1] + _with_sorted_columns(table[3]) + table[4], database)


def _with_sorted_columns(table: str) -> str:
    lines = table.split("\n")
    rows = [_CELL.findall(line) if line.strip() else None for line in lines]
    head = next((row for row in rows if row), [])
    order = [*range(min(1, len(head))), *sorted(range(1, len(head)), key=lambda column: (head[column], column))]
    return "\n".join(
        line if row is None or len(row) != len(head) else ",".join(row[column] for column in order)
        for line, row in zip(lines, rows, strict=True)
    )


def _name(row: Mapping[str, str]) -> str:
    return " ".join(filter(None, (row.get("operator", ""), row.get("name", ""))))
