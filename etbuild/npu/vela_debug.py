"""Vela's debug database with the columns of its tables in one order. It changes no value.

Vela writes the columns of each memory in the order of addresses in its process, so equal runs differ in them.
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"(<!\[CDATA\[)(.*?)(\]\]>)", re.S)
_CELL = re.compile(r'(?:^|,)("(?:[^"]|"")*"|[^,]*)')


def settled(database: str) -> str:
    """The database with the columns behind the first of each table sorted by name."""
    return _TABLE.sub(lambda table: table[1] + _sorted(table[2]) + table[3], database)


def _sorted(table: str) -> str:
    lines = table.split("\n")
    rows = [_CELL.findall(line) if line.strip() else None for line in lines]
    head = next((row for row in rows if row), [])
    order = [*range(min(1, len(head))), *sorted(range(1, len(head)), key=lambda column: (head[column], column))]
    return "\n".join(
        line if row is None or len(row) != len(head) else ",".join(row[column] for column in order)
        for line, row in zip(lines, rows, strict=True)
    )
