"""Blocks of a delegate's data: packed as ExecuTorch packs them, read back, and with external weights."""

from __future__ import annotations

import struct
from dataclasses import replace

from etbuild.pte.vela import BLOCKS, Block, blocks_of, move_weights_out, pack


def test_a_block_is_padded_to_sixteen_bytes() -> None:
    """As ExecuTorch packs it: the length is that of the data, and an empty block has no padding."""
    assert pack((Block("cmd_data", b"abc"),)) == struct.pack("<16sIB11x", b"cmd_data", 3, 0) + b"abc" + bytes(13)
    assert pack((Block("vela_end_stream", b""),)) == struct.pack("<16sIB11x", b"vela_end_stream", 0, 0)


def test_packed_blocks_are_read_back() -> None:
    """With lengths on and next to the alignment."""
    blocks = stream_of(*(bytes(range(size)) for size in (0, 1, 15, 16, 17, 32, 0)))

    assert without_offsets(blocks_of(pack(blocks))) == blocks


def test_external_weights_are_replaced_by_their_key() -> None:
    """The key is the digest of placement and data."""
    blocks = stream_of(b"", b"c", b"w" * 20, b"", b"", b"", b"")

    stream, weights = move_weights_out(pack(blocks), "model")

    moved = (*blocks[:2], Block("weight_data", None, weights.key), *blocks[3:])
    assert without_offsets(blocks_of(stream)) == moved
    assert weights.data == b"w" * 20
    assert len(weights.key) == 64


def stream_of(*payloads: bytes) -> tuple[Block, ...]:
    return tuple(Block(name, payload) for name, payload in zip(BLOCKS, payloads, strict=True))


def without_offsets(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    return tuple(replace(block, offset=0) for block in blocks)
