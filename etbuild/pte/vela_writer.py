"""The blob that ExecuTorch's Ethos-U delegate reads: blocks with 16-byte names. It understands no command.

offset  size  meaning
0       16    name, zero-padded: vela_bin_stream, cmd_data, weight_data, scratch_size, inputs, outputs, vela_end_stream
16      4     length of the data in bytes, little-endian
20      1     1: the data is the key of named data elsewhere
21      11    zero
32      ...   data, padded with zeros to a multiple of 16
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_HEADER = struct.Struct("<16sIB11x")
ALIGNMENT = 16


@dataclass(frozen=True)
class Block:
    name: str
    data: bytes
    external: bool = False


@dataclass(frozen=True)
class NamedData:
    """A block kept outside the .pte. key: SHA-256 of its placement and data."""

    key: str
    data: bytes


def pack_npz(arrays: Mapping[str, Any]) -> bytes:
    """The blob of Vela's raw output (the arrays of its .npz)."""
    return pack(
        (
            Block("vela_bin_stream", b""),
            Block("cmd_data", arrays["cmd_data"].tobytes()),
            Block("weight_data", arrays["weight_data"].tobytes()),
            Block("scratch_size", struct.pack("<I", int(arrays["scratch_shape"][0]))),
            Block("inputs", _pack_io(arrays, "input")),
            Block("outputs", _pack_io(arrays, "output")),
            Block("vela_end_stream", b""),
        )
    )


def pack(blocks: tuple[Block, ...]) -> bytes:
    return b"".join(
        _HEADER.pack(block.name.encode(), len(block.data), block.external)
        + block.data
        + bytes(-len(block.data) % ALIGNMENT)
        for block in blocks
    )


def blocks_of(stream: bytes) -> tuple[Block, ...]:
    """The inverse of `pack`; for streams that we packed ourselves."""
    return tuple(_blocks(stream))


def move_weights_out(stream: bytes, placement: str) -> tuple[bytes, NamedData]:
    """The stream with its weights replaced by a key, and the weights."""
    blocks = blocks_of(stream)
    weights = next(block for block in blocks if block.name == "weight_data")
    key = hashlib.sha256(placement.encode("ascii") + b"\0" + weights.data).hexdigest()
    reference = Block("weight_data", key.encode(), external=True)
    moved = pack(tuple(reference if block is weights else block for block in blocks))
    return moved, NamedData(key, weights.data)


def _blocks(stream: bytes) -> Iterator[Block]:
    offset = 0
    while offset < len(stream):
        name, length, external = _HEADER.unpack_from(stream, offset)
        start = offset + _HEADER.size
        yield Block(name.rstrip(b"\0").decode(), stream[start : start + length], bool(external))
        offset = start + length + -length % ALIGNMENT


def _pack_io(arrays: Mapping[str, Any], side: str) -> bytes:
    """A count, then nine int32 a tensor: six dimensions, bytes an element, offset, region."""
    shapes = arrays[f"{side}_shape"]
    records = [struct.pack("<i", len(shapes))]
    for index, shape in enumerate(shapes):
        rest = (_int32(arrays[f"{side}_{field}"][index]) for field in ("elem_size", "offset", "region"))
        records.append(struct.pack("<9i", *(int(size) for size in shape), *rest))
    return b"".join(records)


def _int32(value: Any) -> int:
    """Vela writes some fields unsigned; all ones stands for -1."""
    number = int(value)
    return number - 2**64 if number >= 2**63 else number
