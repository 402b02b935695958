"""Reads a .ptd: named data outside the program, mostly weights. It never writes one.

offset  size  meaning
0       4     the flatbuffer's root
4       4     "FT01"
8       4     "FH01", the extended header
12      4     its length
16      8     where the flatbuffer begins (behind the header; its root offset is still at 0)
24      8     the flatbuffer's size
32      8     where the segments begin
40      8     their size
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.pte.flatbuffer import Buffer, Table
from etbuild.pte.method import read_dtype
from etbuild.pte.reader import check_identifier, read_bytes, read_segments
from etbuild.pte.schema import FLAT_TENSOR

if TYPE_CHECKING:
    from etbuild.pte.program import Segment

IDENTIFIER = b"FT01"

_HEADER_AT, _HEADER_SIZE = 8, 40
_U64 = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Entry:
    """One named block of data. dtype: "" for plain bytes; sizes: the tensor's axes."""

    key: str
    segment: Segment
    dtype: str
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A whole .ptd. size: bytes."""

    size: int
    version: int
    entries: tuple[Entry, ...]

    def named(self, key: str) -> memoryview | None:
        """The data with this key; None when there is none."""
        return next((entry.segment.data for entry in self.entries if entry.key == key), None)


def read_data(path: Path | str) -> DataFile:
    """Read and check a .ptd.

    raises: BadPte; UsageError when there is no such file.
    """
    file = Buffer(read_bytes(path), str(path), FLAT_TENSOR)
    check_identifier(file, IDENTIFIER, "named data")
    magic = bytes(file.cut(_HEADER_AT, 4, "header"))
    if magic != b"FH01" or file.u32(_HEADER_AT + 4, "header.length") < _HEADER_SIZE:
        raise file.bad(_HEADER_AT, "header", repr(magic), f"'FH01' and a length from {_HEADER_SIZE} on")
    start, size = (int(file.unpack(_U64, at, "header.segment_base_offset")) for at in (32, 40))
    file.check(start, size, "header.segment_data_size")
    root = file.root("FlatTensor")
    segments = read_segments(root.tables("segments", "DataSegment"), file, start, start + size)
    return DataFile(
        size=file.size,
        version=root.integer("version", "I"),
        entries=tuple(_entry(table, segments) for table in root.tables("named_data", "NamedData")),
    )


def _entry(table: Table, segments: tuple[Segment, ...]) -> Entry:
    index = table.integer("segment_index", "I")
    if index >= len(segments):
        raise table.bad("segment_index", str(index), f"one of {len(segments)} segments")
    layout = table.table("tensor_layout", "TensorLayout")
    if layout is None:
        return Entry(table.string("key"), segments[index], "", ())
    return Entry(table.string("key"), segments[index], read_dtype(layout), layout.numbers("sizes", "i"))
