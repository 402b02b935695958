"""The driver payload of one delegate: for which NPU it was compiled, and its command stream. Both ways.

It decodes no command. "COP1" is a sequence of driver actions, one little-endian word each, the action in its low byte:

    1   configuration: CONFIG and ID of the NPU follow
    2   command stream: its length in words is bits 8-15 (high) and 16-31 (low); the stream follows
    5   nothing, to align the stream to 16 bytes

"COP2", as Vela 5.1 writes it for the direct drive from Linux, counts bytes, all in little-endian words:

    0   "COP2", version 1, size of what follows these four words, 0
    16  1 (command stream), size of what follows this word, size of the metadata
    28  metadata: "VEUM", then records of tag, size, content, then 0xffffffff;
        record 1: CONFIG and ID of the NPU, three more words
    ..  the stream, to the end

CONFIG, of the NPU and of its driver's registers alike:

    bits 0-3    log2 of the multiply-accumulates per cycle, all cores together
    bits 4-7    version of the command stream
    bits 8-15   internal buffer memory in KiB, all cores (U55 and U65)
    bits 28-31  product: 0 U55, 1 U65, 2 U85
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from etbuild.pte.flatbuffer import Bytes

PRODUCTS = ("u55", "u65", "u85")
"""By the product number of CONFIG."""

_CONFIGURATION, _STREAM, _NOTHING = 1, 2, 5
# Action 1 with the version of its layout in the upper half, as Vela writes it.
_CONFIGURATION_WORD = 0x00100001
_LAST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Configuration:
    """The CONFIG word of the NPU that the stream was compiled for.

    product: u55, u65 or u85. macs: multiply-accumulates per cycle, all cores together.
    shram_kib: internal buffer memory, all cores; U55 and U65 only. arch: version from the ID word.
    """

    word: int
    product: str
    macs: int
    stream_version: int
    shram_kib: int | None
    arch: str

    @property
    def npu(self) -> str:
        """As Vela and the recipes spell it, e.g. ethos-u55-128."""
        return npu_name(self.word)


@dataclass(frozen=True, slots=True)
class Commands:
    """A whole driver payload.

    format: COP1 or COP2. bytes: of the payload. identity: the ID word. offset: byte of the file where the command
    words begin. words: the command words, 4 bytes each.
    """

    format: str
    bytes: int
    configuration: Configuration
    identity: int
    offset: int
    words: memoryview


def product_of(config: int) -> str:
    """u55, u65 or u85 by a CONFIG word; "" for a product that does not exist."""
    product = config >> 28
    return PRODUCTS[product] if product < len(PRODUCTS) else ""


def names_npu(config: int) -> bool:
    """Whether a word can be the CONFIG of an NPU: one with this product and number of multiply-accumulates exists."""
    product = product_of(config)
    return bool(product) and (config & 0xF) in (range(7, 12) if product == "u85" else range(5, 10))


def npu_name(config: int) -> str:
    """The NPU of a CONFIG word as Vela spells it, e.g. ethos-u55-128; "product 5-128" for one that does not exist."""
    product = product_of(config)
    return f"{f'ethos-{product}' if product else f'product {config >> 28}'}-{1 << (config & 0xF)}"


def read_commands(data: Bytes) -> Commands:
    """The payload, checked to its last byte.

    raises: BadPte.
    """
    name = bytes(data.cut(0, 4, "cmd_data"))
    if name not in _READERS:
        raise data.bad(0, "cmd_data", repr(name), '"COP1" or "COP2"')
    return _READERS[name](data)


def write_commands(config: int, identity: int, words: Sequence[int]) -> bytes:
    """A COP1 payload with the stream aligned to 16 bytes, as Vela writes it."""
    head = [int.from_bytes(b"COP1", "little"), _CONFIGURATION_WORD, config, identity]
    while (len(head) + 1) % 4:
        head.append(_NOTHING)
    length = len(words)
    head.append(_STREAM | (length >> 16 & 0xFF) << 8 | (length & 0xFFFF) << 16)
    return struct.pack(f"<{len(head) + length}I", *head, *words)


def _read_cop1(data: Bytes) -> Commands:
    target: tuple[Configuration, int] | None = None
    found: Commands | None = None
    at = 4
    while at < data.size or found is None:
        word = data.u32(at, "cmd_data")
        action = word & 0xFF
        if action == _CONFIGURATION:
            target = _configuration(data, at + 4)
            at += 12
        elif action == _NOTHING:
            at += 4
        elif action == _STREAM and found is None:
            size = 4 * ((word >> 8 & 0xFF) << 16 | word >> 16)
            found = _commands("COP1", data, target, at + 4, size)
            at += 4 + size
        elif action == _STREAM:
            raise data.bad(at, "cmd_data", "a second command stream", "one")
        else:
            raise data.bad(at, "cmd_data", f"driver action {action}", "1, 2 or 5")
    return found


def _read_cop2(data: Bytes) -> Commands:
    for at, wanted in ((4, 1), (8, data.size - 16), (16, 1), (20, data.size - 24)):
        found = data.u32(at, "cmd_data")
        if found != wanted:
            raise data.bad(at, "cmd_data", str(found), str(wanted))
    metadata = Bytes(data.cut(28, data.u32(24, "cmd_data"), "cmd_data.metadata"), data.file_name, data.base + 28)
    if bytes(metadata.cut(0, 4, "cmd_data.metadata")) != b"VEUM":
        raise metadata.bad(0, "cmd_data.metadata", repr(bytes(metadata.data[:4])), '"VEUM"')
    target: tuple[Configuration, int] | None = None
    at = 4
    while (tag := metadata.u32(at, "cmd_data.metadata")) != _LAST:
        record = metadata.cut(at + 8, metadata.u32(at + 4, "cmd_data.metadata"), "cmd_data.metadata")
        if tag == 1:
            target = _configuration(Bytes(record, data.file_name, metadata.base + at + 8), 0)
        at += 8 + len(record)
    start = 28 + metadata.size
    return _commands("COP2", data, target, start, (data.size - start) & ~3)


def _commands(name: str, data: Bytes, target: tuple[Configuration, int] | None, start: int, size: int) -> Commands:
    if target is None:
        raise data.bad(start, "cmd_data", "a stream without a configuration", "the NPU that it is for")
    return Commands(name, data.size, *target, data.base + start, data.cut(start, size, "cmd_data"))


_READERS = {b"COP1": _read_cop1, b"COP2": _read_cop2}


def _configuration(data: Bytes, at: int) -> tuple[Configuration, int]:
    """CONFIG, decoded, and the ID word behind it."""
    word, identity = data.u32(at, "cmd_data.config"), data.u32(at + 4, "cmd_data.id")
    product = product_of(word)
    if not product:
        raise data.bad(at, "cmd_data.config", f"product {word >> 28}", "0 (U55), 1 (U65) or 2 (U85)")
    configuration = Configuration(
        word=word,
        product=product,
        macs=1 << (word & 0xF),
        stream_version=word >> 4 & 0xF,
        shram_kib=word >> 8 & 0xFF if product != "u85" else None,
        arch=f"{identity >> 28}.{identity >> 20 & 0xFF}.{identity >> 16 & 0xF}",
    )
    return configuration, identity
