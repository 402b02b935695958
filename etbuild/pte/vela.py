"""Reads the stream that Vela left in a delegate of the EthosUBackend. It decodes no NPU operation.

A stream is a row of blocks, each a header of 32 bytes and a payload padded to 16:

    offset  size  meaning
    0       16    name, filled up with NUL
    16      4     payload's length, unsigned, without the padding
    20      1     1: the payload is the name (64 hex digits) of data that is kept elsewhere
    21      11    zero
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.pte.driver_payload import Commands, read_commands
from etbuild.pte.flatbuffer import Bytes

if TYPE_CHECKING:
    from etbuild.pte.program import Delegate, Program

BACKEND = "EthosUBackend"

_ALIGNMENT = 16
_HEADER_SIZE = 32
_BLOCKS = ("vela_bin_stream", "cmd_data", "weight_data", "scratch_size", "inputs", "outputs", "vela_end_stream")
_KEY_SIZE = 64
_IO = struct.Struct("<9i")


@dataclass(frozen=True, slots=True)
class Block:
    """One block. offset: byte of the file where the payload begins. key: name of the data that stands for the
    payload when it is kept elsewhere, else "". data: the payload; None when it is not in the file."""

    name: str
    offset: int
    key: str
    data: memoryview | None


@dataclass(frozen=True, slots=True)
class IoTensor:
    """One input or output as the NPU sees it.

    shape: six axes, filled up with 1 from the left. element_bytes: size of one element.
    offset: bytes from the start of its region. region: which of the NPU's base addresses; 1 is the scratch area.
    """

    shape: tuple[int, ...]
    element_bytes: int
    offset: int
    region: int


@dataclass(frozen=True, slots=True)
class Stream:
    """commands: None when the command data is kept in another file. scratch_bytes: what the runtime
    must provide for each call. weights_bytes: None when the weights are kept in another file."""

    blocks: tuple[Block, ...]
    commands: Commands | None
    weights_bytes: int | None
    scratch_bytes: int
    inputs: tuple[IoTensor, ...]
    outputs: tuple[IoTensor, ...]

    def block(self, name: str) -> Block:
        return next(block for block in self.blocks if block.name == name)


def read_stream(program: Program, delegate: Delegate) -> Stream:
    """The stream of one delegate; data kept under a name is looked up in `program`.

    raises: BadPte.
    """
    file = Bytes(delegate.data, program.name, delegate.offset)
    blocks = _blocks(file, program)
    payloads = {block.name: _payload(block, program) for block in blocks}
    scratch = payloads["scratch_size"]
    if scratch.size != 4:
        raise scratch.bad(0, "scratch_size", f"{scratch.size} bytes", "4")
    commands = payloads["cmd_data"] if blocks[1].data is not None else None
    return Stream(
        blocks=blocks,
        commands=read_commands(commands) if commands else None,
        weights_bytes=payloads["weight_data"].size if blocks[2].data is not None else None,
        scratch_bytes=scratch.u32(0, "scratch_size"),
        inputs=_io(payloads["inputs"], "inputs"),
        outputs=_io(payloads["outputs"], "outputs"),
    )


def _payload(block: Block, program: Program) -> Bytes:
    return Bytes(block.data if block.data is not None else memoryview(b""), program.name, block.offset)


def _blocks(file: Bytes, program: Program) -> tuple[Block, ...]:
    found = []
    at = 0
    for wanted in _BLOCKS:
        name = bytes(file.cut(at, 16, wanted)).rstrip(b"\0")
        if name != wanted.encode():
            raise file.bad(at, "block name", repr(name), f'"{wanted}"')
        size = file.u32(at + 16, wanted)
        external = file.cut(at + 20, 12, wanted)
        if external[0] > 1 or any(external[1:]):
            raise file.bad(at + 20, wanted, external.hex(), "0 or 1, then 11 zeros")
        payload = file.cut(at + _HEADER_SIZE, size, wanted)
        found.append(
            _block(file, at, wanted, payload, program)
            if external[0]
            else Block(wanted, file.base + at + _HEADER_SIZE, "", payload)
        )
        at += _HEADER_SIZE + -(-size // _ALIGNMENT) * _ALIGNMENT
    if at != file.size:
        raise file.bad(at, "vela_end_stream", f"{file.size - at} bytes behind it", "the delegate's end")
    return tuple(found)


def _block(file: Bytes, at: int, name: str, payload: memoryview, program: Program) -> Block:
    """A block whose payload is the name of data kept elsewhere."""
    key = bytes(payload).decode("ascii", "replace") if len(payload) == _KEY_SIZE else ""
    if not key or set(key) - set("0123456789abcdef"):
        raise file.bad(at + _HEADER_SIZE, name, f"a key of {len(payload)} bytes", "64 hexadecimal digits")
    if name not in ("cmd_data", "weight_data"):
        raise file.bad(at + 20, name, "data kept elsewhere", "that for cmd_data and weight_data alone")
    return Block(name, file.base + at + _HEADER_SIZE, key, program.named(key))


def _io(payload: Bytes, path: str) -> tuple[IoTensor, ...]:
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
