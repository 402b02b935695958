"""Vela's result for one delegate, as ExecuTorch's EthosUBackend reads it: blocks with names, read and written here.

It decodes no NPU operation. A stream is these blocks in this order: vela_bin_stream (empty), cmd_data (the driver
payload), weight_data, scratch_size (u32), inputs, outputs, vela_end_stream (empty). One block, little-endian:

    offset  size  meaning
    0       16    name, padded with NUL
    16      4     length of the payload in bytes, unsigned, without its padding
    20      1     1: the payload is the key (64 hexadecimal digits) of named data in the .pte or in a .ptd
    21      11    zero
    32      ...   payload, padded with zeros to a multiple of 16

inputs and outputs: i32 count, then per tensor nine i32: shape[6], bytes of one element, offset, region.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etbuild.pte.driver_payload import Commands, read_commands
from etbuild.pte.flatbuffer import Bytes

if TYPE_CHECKING:
    from etbuild.pte.program import Delegate, Program

BACKEND = "EthosUBackend"
BLOCKS = ("vela_bin_stream", "cmd_data", "weight_data", "scratch_size", "inputs", "outputs", "vela_end_stream")
ALIGNMENT = 16

_HEADER = struct.Struct("<16sIB11x")
_EXTERNAL = ("cmd_data", "weight_data")
_KEY_SIZE = 64
_IO = struct.Struct("<9i")


@dataclass(frozen=True, slots=True)
class Block:
    """One block.

    data:   the payload; None when it is in another file.
    key:    the key of the named data that replaces the payload, "" for a payload in the stream itself.
    offset: byte of the file where the payload begins; 0 in a block that is to be written.
    """

    name: str
    data: memoryview | bytes | None
    key: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class NamedPayload:
    """A payload outside the stream. key: SHA-256 of its placement and data."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class IoTensor:
    """One input or output as the NPU sees it.

    shape: six axes, padded with 1 on the left. element_bytes: size of one element.
    offset: bytes from the start of its region. region: which of the NPU's base addresses; 1 is the scratch area.
    """

    shape: tuple[int, ...]
    element_bytes: int
    offset: int
    region: int


@dataclass(frozen=True, slots=True)
class Stream:
    """commands: None when the command data is in another file. scratch_bytes: what the runtime
    must provide for each call. weights_bytes: None when the weights are in another file."""

    blocks: tuple[Block, ...]
    commands: Commands | None
    weights_bytes: int | None
    scratch_bytes: int
    inputs: tuple[IoTensor, ...]
    outputs: tuple[IoTensor, ...]

    def block(self, name: str) -> Block:
        """The block of that name, one of BLOCKS."""
        return self.blocks[BLOCKS.index(name)]


def read_stream(program: Program, delegate: Delegate) -> Stream:
    """The stream of one delegate; a payload with a key is looked up in `program`.

    raises: BadPte.
    """
    blocks = read_blocks(Bytes(delegate.data, program.name, delegate.offset), program)
    payloads = {block.name: _payload(block, program.name) for block in blocks}
    scratch = payloads["scratch_size"]
    if scratch.size != 4:
        raise scratch.bad(0, "scratch_size", f"{scratch.size} bytes", "4")
    commands, weights = blocks[1].data, blocks[2].data
    return Stream(
        blocks=blocks,
        commands=read_commands(payloads["cmd_data"]) if commands is not None else None,
        weights_bytes=len(weights) if weights is not None else None,
        scratch_bytes=scratch.u32(0, "scratch_size"),
        inputs=read_io(payloads["inputs"], "inputs"),
        outputs=read_io(payloads["outputs"], "outputs"),
    )


def read_blocks(file: Bytes, program: Program | None = None) -> tuple[Block, ...]:
    """The blocks of a stream, checked. program: where payloads with a key are looked up.

    raises: BadPte.
    """
    found = []
    at = 0
    for wanted in BLOCKS:
        block, size = _read_block(file, at, wanted, program)
        found.append(block)
        at += _HEADER.size + size + -size % ALIGNMENT
    if at != file.size:
        raise file.bad(at, "vela_end_stream", f"{file.size - at} bytes behind it", "the delegate's end")
    return tuple(found)


def blocks_of(stream: bytes) -> tuple[Block, ...]:
    """The blocks of a stream that is not in a .pte yet.

    raises: BadPte.
    """
    return read_blocks(Bytes(memoryview(stream), "Vela's stream"))


def pack(blocks: Sequence[Block]) -> bytes:
    """The bytes of these blocks; the inverse of `read_blocks`."""
    return b"".join(_pack_block(block) for block in blocks)


def pack_npz(arrays: Mapping[str, Any]) -> bytes:
    """The stream of Vela's raw output. arrays: those of its .npz."""
    payloads = (
        b"",
        arrays["cmd_data"].tobytes(),
        arrays["weight_data"].tobytes(),
        struct.pack("<I", int(arrays["scratch_shape"][0])),
        _pack_io(arrays, "input"),
        _pack_io(arrays, "output"),
        b"",
    )
    return pack([Block(name, payload) for name, payload in zip(BLOCKS, payloads, strict=True)])


def move_weights_out(stream: bytes, placement: str) -> tuple[bytes, NamedPayload]:
    """The stream with its weights replaced by a key, and the weights. placement: ASCII, part of the key."""
    blocks = blocks_of(stream)
    weights = bytes(blocks[2].data or b"")
    key = hashlib.sha256(placement.encode("ascii") + b"\0" + weights).hexdigest()
    moved = pack((*blocks[:2], Block("weight_data", None, key), *blocks[3:]))
    return moved, NamedPayload(key, weights)


def _read_block(file: Bytes, at: int, wanted: str, program: Program | None) -> tuple[Block, int]:
    """The block at byte `at`, which must have this name, and the length of its payload in the stream."""
    name = bytes(file.cut(at, 16, wanted)).rstrip(b"\0")
    if name != wanted.encode():
        raise file.bad(at, "block name", repr(name), f'"{wanted}"')
    size = file.u32(at + 16, wanted)
    external = file.cut(at + 20, 12, wanted)
    if external[0] > 1 or any(external[1:]):
        raise file.bad(at + 20, wanted, external.hex(), "0 or 1, then 11 zeros")
    payload = file.cut(at + _HEADER.size, size, wanted)
    offset = file.base + at + _HEADER.size
    if not external[0]:
        return Block(wanted, payload, offset=offset), size
    key = bytes(payload).decode("ascii", "replace") if size == _KEY_SIZE else ""
    if not key or set(key) - set("0123456789abcdef"):
        raise file.bad(at + _HEADER.size, wanted, f"a key of {size} bytes", "64 hexadecimal digits")
    if wanted not in _EXTERNAL:
        raise file.bad(at + 20, wanted, "a key of named data", "one only in cmd_data and weight_data")
    return Block(wanted, program.named(key) if program else None, key, offset), size


def _payload(block: Block, file_name: str) -> Bytes:
    return Bytes(memoryview(block.data or b""), file_name, block.offset)


def _pack_block(block: Block) -> bytes:
    payload = block.key.encode() if block.key else block.data or b""
    header = _HEADER.pack(block.name.encode(), len(payload), bool(block.key))
    return header + payload + bytes(-len(payload) % ALIGNMENT)


def read_io(payload: Bytes, path: str) -> tuple[IoTensor, ...]:
    """The tensors of a block: inputs or outputs.

    raises: BadPte.
    """
    count = payload.u32(0, path)
    if payload.size != 4 + count * _IO.size:
        raise payload.bad(0, path, f"{count} tensors in {payload.size} bytes", f"{_IO.size} bytes each")
    tensors = []
    for index in range(count):
        *shape, element_bytes, offset, region = _IO.unpack_from(payload.data, 4 + index * _IO.size)
        if min(shape) < 1 or element_bytes < 1 or offset < 0 or region < 0:
            numbers = (*shape, element_bytes, offset, region)
            raise payload.bad(
                4 + index * _IO.size, path, str(numbers), "axes and size from 1 on, offset and region from 0 on"
            )
        tensors.append(IoTensor(tuple(shape), element_bytes, offset, region))
    return tuple(tensors)


def _pack_io(arrays: Mapping[str, Any], side: str) -> bytes:
    """side: "input" or "output"."""
    shapes = arrays[f"{side}_shape"]
    records = [struct.pack("<i", len(shapes))]
    for index, shape in enumerate(shapes):
        rest = (_signed(arrays[f"{side}_{field}"][index]) for field in ("elem_size", "offset", "region"))
        records.append(_IO.pack(*(int(size) for size in shape), *rest))
    return b"".join(records)


def _signed(value: Any) -> int:
    """Vela writes some fields as u64; all ones means -1."""
    number = int(value)
    return number - 2**64 if number >= 2**63 else number
