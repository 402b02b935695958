"""Reads the envelope of an NPU's command data: for which NPU it was compiled, and where its words are.

"COP1" is a row of driver actions, a little-endian word each, the action in its low byte:

    1   optimizer configuration: CONFIG and ID of the NPU follow
    2   command stream: its length in words is bits 8-15 (high) and 16-31 (low); the stream follows
    5   nothing, to keep the stream on 16 bytes
"""

from __future__ import annotations

from dataclasses import dataclass

from etbuild.pte.flatbuffer import Bytes

_CONFIGURATION, _STREAM, _NOTHING = 1, 2, 5
_PRODUCTS = ("u55", "u65", "u85")
_FORMATS = (b"COP1", b"COP2")


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
    words: the NPU's command words, 4 bytes each. Of COP2 the envelope is known only in part:
    its configuration is None and its words are empty."""

    format: str
    bytes: int
    configuration: Configuration | None
    offset: int
    words: memoryview


def read_commands(data: Bytes) -> Commands:
    """raises: BadPte."""
    name = bytes(data.cut(0, 4, "cmd_data"))
    if name not in _FORMATS:
        raise data.bad(0, "cmd_data", repr(name), '"COP1" or "COP2"')
    if name == b"COP2":
        return Commands("COP2", data.size, None, data.base, data.data[:0])
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
    if configuration is None:
        raise data.bad(at, "cmd_data", "a stream without a configuration", "the NPU that it is for")
    count = (word >> 8 & 0xFF) << 16 | word >> 16
    words = data.cut(at + 4, 4 * count, "cmd_data")
    return Commands("COP1", data.size, configuration, data.base + at + 4, words)


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
