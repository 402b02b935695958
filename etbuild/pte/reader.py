"""Reads a .pte: the flatbuffer, its extended header, its segments; every index is checked. It never writes one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.pte.flatbuffer import Buffer, Bytes, Table
from etbuild.pte.method import read_method
from etbuild.pte.program import Header, Method, NamedData, Program, Segment, Subsegments, Tensor
from etbuild.pte.schema import PROGRAM

IDENTIFIER = b"ET12"
_KINDS = {b"ET": "an ExecuTorch program (.pte)", b"BP": "a bundled program (.bpte)", b"FT": "named data (.ptd)"}
_U64 = struct.Struct("<Q")
_HEADER_AT = 8
_SHORTEST_HEADER = 24


def read(path: Path | str) -> Program:
    """Read and check a .pte.

    raises: BadPte when it is not one; UsageError when there is no such file.
    """
    return parse(read_bytes(path), str(path))


def read_bytes(path: Path | str) -> memoryview:
    """The content of a regular file; never of a device or a pipe, which may have no end."""
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            raise UsageError(f"{path}: got no regular file, wanted one")
        return memoryview(file.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path}: got {reason!r}, wanted a file that can be read") from error


def parse(data: memoryview, file_name: str, base: int = 0) -> Program:
    """The program in `data`, which begins at byte `base` of the file `file_name`.

    raises: BadPte.
    """
    whole = Bytes(data, file_name, base)
    check_identifier(whole, IDENTIFIER, "an ExecuTorch program")
    header = _header(whole)
    program_size = header.program_size if header else whole.size
    buffer = Buffer(whole.cut(0, program_size, "header.program_size"), file_name, PROGRAM, base)
    root = buffer.root("Program")
    segments = _segments(root, whole, header)
    inline = root.tables("backend_delegate_data", "BackendDelegateInlineData")
    blobs = tuple((table.data("data"), table.data_offset("data")) for table in inline)
    constants = root.table("constant_segment", "SubsegmentOffsets")
    program = Program(
        name=file_name,
        size=whole.size,
        version=root.integer("version", "I"),
        header=header,
        methods=tuple(read_method(one, blobs, segments) for one in root.tables("execution_plan", "ExecutionPlan")),
        segments=segments,
        constants=_subsegments(constants, segments) if constants and constants.numbers("offsets", "Q") else None,
        constant_buffers=tuple(table.data("storage") for table in root.tables("constant_buffer", "Buffer")),
        mutable_data=tuple(
            _subsegments(table, segments) for table in root.tables("mutable_data_segments", "SubsegmentOffsets")
        ),
        named_data=tuple(_named(table, segments) for table in root.tables("named_data", "NamedData")),
        inline_data=tuple(blob for blob, _ in blobs),
    )
    for method in program.methods:
        _check_constants(root, program, method)
    return program


def check_identifier(file: Bytes, wanted: bytes, noun: str) -> None:
    """raises: BadPte when the file is of another kind or version. noun: what was expected, for the message."""
    got = bytes(file.cut(4, 4, "identifier"))
    if got != wanted:
        kind = _KINDS.get(got[:2])
        seen = f"{kind} of another version, {got!r}" if kind and got[:2] == wanted[:2] else kind or repr(got)
        raise file.bad(4, "identifier", seen, f"{noun}, {wanted!r}")


def read_segments(tables: Sequence[Table], file: Bytes, start: int, end: int) -> tuple[Segment, ...]:
    """DataSegment tables as slices of the file's bytes from `start` up to `end`."""
    found = []
    for table in tables:
        offset, size = table.integer("offset", "Q"), table.integer("size", "Q")
        if start + offset + size > end:
            got = f"{size} bytes at {offset} of the segments"
            raise table.bad("size", got, f"a segment within their {end - start} bytes")
        data = file.cut(start + offset, size, "DataSegment.size")
        found.append(Segment(file.base + start + offset, data))
    return tuple(found)


def _header(file: Bytes) -> Header | None:
    if bytes(file.data[_HEADER_AT : _HEADER_AT + 4]) != b"eh00":
        return None
    length = file.u32(_HEADER_AT + 4, "header.length")
    if length < _SHORTEST_HEADER:
        raise file.bad(_HEADER_AT + 4, "header.length", str(length), f"at least {_SHORTEST_HEADER}")

    def number(at: int, name: str) -> int:
        return int(file.unpack(_U64, _HEADER_AT + at, f"header.{name}"))

    header = Header(
        length,
        number(8, "program_size"),
        number(16, "segment_base_offset"),
        number(24, "segment_data_size") if length > _SHORTEST_HEADER else 0,
    )
    if header.segment_base_offset:
        file.check(header.segment_base_offset, header.segment_data_size, "header.segment_data_size")
    return header


def _segments(root: Table, file: Bytes, header: Header | None) -> tuple[Segment, ...]:
    tables = root.tables("segments", "DataSegment")
    if header is None or header.segment_base_offset == 0:
        # A program without constants lists one empty segment all the same.
        return read_segments(tables, file, file.size, file.size)
    start = header.segment_base_offset
    end = start + header.segment_data_size if header.segment_data_size else file.size
    return read_segments(tables, file, start, end)


def _subsegments(table: Table, segments: Sequence[Segment]) -> Subsegments:
    index = table.integer("segment_index", "I")
    offsets = table.numbers("offsets", "Q")
    if index >= len(segments):
        raise table.bad("segment_index", str(index), f"one of {len(segments)} segments")
    if any(offset > len(segments[index].data) for offset in offsets):
        raise table.bad("offsets", str(max(offsets)), f"offsets within {len(segments[index].data)} bytes")
    return Subsegments(index, offsets)


def _named(table: Table, segments: Sequence[Segment]) -> NamedData:
    index = table.integer("segment_index", "I")
    if index >= len(segments):
        raise table.bad("segment_index", str(index), f"one of {len(segments)} segments")
    return NamedData(table.string("key"), index)


def _check_constants(root: Table, program: Program, method: Method) -> None:
    """Each tensor's initial data exists and is long enough."""
    for value in method.values:
        if isinstance(value, Tensor) and value.buffer and not value.external:
            room = _room(program, value)
            if room < value.bytes:
                found = "no such buffer" if room < 0 else f"a buffer of {room} bytes"
                raise root.bad(
                    "execution_plan", f"{found} for tensor data {value.buffer}", f"one of {value.bytes} bytes"
                )


def _room(program: Program, tensor: Tensor) -> int:
    """Bytes from the start of a tensor's initial data to the end of its buffer, -1 when there is no such entry."""
    if tensor.allocation is None and program.constant_buffers:
        buffers = program.constant_buffers
        return len(buffers[tensor.buffer]) if tensor.buffer < len(buffers) else -1
    if tensor.allocation is None:
        part = program.constants
    else:
        index = tensor.mutable_segment
        part = program.mutable_data[index] if index < len(program.mutable_data) else None
    if part is None or tensor.buffer >= len(part.offsets):
        return -1
    return len(program.segments[part.segment].data) - part.offsets[tensor.buffer]
