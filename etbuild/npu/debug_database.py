"""The names of layers in a command stream, from the debug database that Vela writes beside it (<n>_debug.xml)."""

from __future__ import annotations

import csv
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TABLE = re.compile(r'<table name="(\w+)">\s*<!\[CDATA\[(.*?)\]\]>', re.S)


@dataclass(frozen=True)
class Layers:
    """Layers in the order of the stream. ends: the byte offset of each one's last operation in the stream."""

    ends: tuple[int, ...]
    names: tuple[str, ...]

    def at(self, word: int) -> str:
        """The layer of the operation at that word of the stream, "" beyond the last."""
        index = bisect_left(self.ends, word * 4)
        return self.names[index] if index < len(self.names) else ""


def read_layers(path: Path) -> Layers:
    """Nothing is named when the file does not hold what is expected: names are for reading only."""
    text = path.read_text(encoding="utf-8", errors="replace")
    tables = {name: list(csv.DictReader(body.strip().splitlines())) for name, body in _TABLE.findall(text)}
    names = {row.get("id", ""): _name(row) for row in tables.get("perf", [])}
    rows = [
        (int(row["offset"]), names.get(row.get("scheduled_id", ""), ""))
        for row in tables.get("queue", [])
        if row.get("offset", "").isdigit()
    ]
    rows.sort()
    return Layers(tuple(offset for offset, _ in rows), tuple(name for _, name in rows))


def layers_beside(pte: Path, delegate: int) -> Layers:
    """Of a .pte in a build's folder, where Vela's files are in vela/; else none."""
    database = pte.parent / "vela" / f"{delegate}_debug.xml"
    return read_layers(database) if database.is_file() else Layers((), ())


def _name(row: Mapping[str, str]) -> str:
    return " ".join(filter(None, (row.get("operator", ""), row.get("name", ""))))
