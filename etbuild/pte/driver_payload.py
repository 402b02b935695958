"""Reads the envelope of an NPU's command data: for which NPU it was compiled, and where its words are.

"COP1" is a row of driver actions, a little-endian word each, the action in its low byte:

    1   optimizer configuration: CONFIG and ID of the NPU follow
    2   command stream: its length in words is bits 8-15 (high) and 16-31 (low); the stream follows
    5   nothing, to keep the stream on 16 bytes

"COP2", as Vela 5.1 writes it for the direct drive from Linux, counts bytes, all in little-endian words:

    0   "COP2", version 1, size of what follows these four words, 0
    16  1 (command stream), size of what follows this word, size of the metadata
    28  metadata: "VEUM", then records of tag, size, content, then 0xffffffff;
        record 1: CONFIG and ID of the NPU, three more words
    ..  the stream, to the end
"""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.pte.flatbuffer import Bytes

_CONFIGURATION, _STREAM, _NOTHING = 1, 2, 5
_PRODUCTS = ("u55", "u65", "u85")
_LAST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Configuration:
    """The CONFIG word of the NPU that the stream was compiled for.

    product: u55, u65 or u85. macs: multiply-accumulates a cycle, all cores together.
    shram_kib: internal buffer memory, all cores; U55 and U65 alone. arch: version from the ID word.
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
        return f"ethos-{self.product}-{self.macs}"


@dataclass(frozen=True, slots=True)
class Commands:
    """format: COP1 or COP2. bytes: the whole envelope. offset: byte of the file where the words begin.
    words: the NPU's command words, 4 bytes each."""

    format: str
    bytes: int
    configuration: Configuration
    offset: int
    words: memoryview


def read_commands(data: Bytes) -> Commands:
    """raises: BadPte."""
    name = bytes(data.cut(0, 4, "cmd_data"))
    if name not in _READERS:
        raise data.bad(0, "cmd_data", repr(name), '"COP1" or "COP2"')
    return _READERS[name](data)


def _read_cop1(data: Bytes) -> Commands:
    configuration = None
    at = 4
    while True:
        word = data.u32(at, "cmd_data")
        action = word & 0xFF
        if action == _CONFIGURATION:
            configuration = _configuration(data, at + 4)
            at += 12
        elif action == _NOTHING:
            at += 4
        elif action == _STREAM:
            break
        else:
            raise data.bad(at, "cmd_data", f"driver action {action}", "1, 2 or 5")
    count = (word >> 8 & 0xFF) << 16 | word >> 16
    return _commands("COP1", data, configuration, at + 4, 4 * count)


def _read_cop2(data: Bytes) -> Commands:
    for at, wanted in ((4, 1), (8, data.size - 16), (16, 1), (20, data.size - 24)):
        found = data.u32(at, "cmd_data")
        if found != wanted:
            raise data.bad(at, "cmd_data", str(found), str(wanted))
    metadata = Bytes(data.cut(28, data.u32(24, "cmd_data"), "cmd_data.metadata"), data.place, data.base + 28)
    if bytes(metadata.cut(0, 4, "cmd_data.metadata")) != b"VEUM":
        raise metadata.bad(0, "cmd_data.metadata", repr(bytes(metadata.data[:4])), '"VEUM"')
    configuration = None
    at = 4
    while (tag := metadata.u32(at, "cmd_data.metadata")) != _LAST:
        record = metadata.cut(at + 8, metadata.u32(at + 4, "cmd_data.metadata"), "cmd_data.metadata")
        if tag == 1:
            configuration = _configuration(Bytes(record, data.place, metadata.base + at + 8), 0)
        at += 8 + len(record)
    start = 28 + metadata.size
    return _commands("COP2", data, configuration, start, (data.size - start) & ~3)


def _commands(name: str, data: Bytes, configuration: Configuration | None, start: int, size: int) -> Commands:
    if configuration is None:
        raise data.bad(start, "cmd_data", "a stream without a configuration", "the NPU that it is for")
    return Commands(name, data.size, configuration, data.base + start, data.cut(start, size, "cmd_data"))


_READERS = {b"COP1": _read_cop1, b"COP2": _read_cop2}


def _configuration(data: Bytes, at: int) -> Configuration:
    word, version = data.u32(at, "cmd_data.config"), data.u32(at + 4, "cmd_data.id")
    product = word >> 28
    if product >= len(_PRODUCTS):
        raise data.bad(at, "cmd_data.config", f"product {product}", "0 (U55), 1 (U65) or 2 (U85)")
    return Configuration(
        word=word,
        product=_PRODUCTS[product],
        macs=1 << (word & 0xF),
        stream_version=word >> 4 & 0xF,
        shram_kib=word >> 8 & 0xFF if product < 2 else None,
        arch=f"{version >> 28}.{version >> 20 & 0xFF}.{version >> 16 & 0xF}",
    )
