"""The Vela stream of a delegate is read, and a broken one refused."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import pytest

from etbuild.pte.driver_payload import Configuration, names_npu, npu_name, read_commands, write_commands
from etbuild.pte.flatbuffer import BadPte, Bytes
from etbuild.pte.named_data import read_data
from etbuild.pte.reader import read
from etbuild.pte.vela import Block, IoTensor, Stream, read_stream

FILES = Path(__file__).parent / "files"


def stream(name: str, delegate: int = 0) -> Stream:
    program = read(FILES / name)
    return read_stream(program, program.methods[0].delegates[delegate])


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("linear_u55.pte", Configuration(0x1807, "u55", 128, 0, 24, "1.0.6")),
        ("linear_u65_512.pte", Configuration(0x10006009, "u65", 512, 0, 96, "1.0.6")),
        ("linear_u85_segment.pte", Configuration(0x20000118, "u85", 256, 1, None, "2.0.0")),
        ("two_parts_u55.pte", Configuration(0x1006, "u55", 64, 0, 16, "1.0.6")),
    ],
)
def test_a_stream_says_for_which_npu_it_was_compiled(name: str, configuration: Configuration) -> None:
    """Its CONFIG and ID words."""
    commands = stream(name).commands

    assert commands is not None
    assert commands.configuration == configuration


def test_an_npu_is_spelt_as_in_recipes() -> None:
    """1024 MACs are ten bits."""
    assert Configuration(0x2000251A, "u85", 1024, 1, None, "2.0.0").npu == "ethos-u85-1024"


def test_the_command_words_end_with_stop() -> None:
    """The last word of every stream: NPU_OP_STOP with all bits of its mask."""
    commands = stream("linear_u55.pte").commands

    assert commands is not None
    assert (commands.format, commands.bytes, len(commands.words)) == ("COP1", 328, 296)
    assert bytes(commands.words[-4:]) == struct.pack("<I", 0xFFFF0000)
    assert (FILES / "linear_u55.pte").read_bytes()[commands.offset :][:296] == commands.words


def test_inputs_and_outputs_lie_in_the_scratch_area() -> None:
    """linear_u55.pte takes four bytes and gives three."""
    found = stream("linear_u55.pte")

    assert found.inputs == (IoTensor((1, 1, 1, 1, 1, 4), 1, 16, 1),)
    assert found.outputs == (IoTensor((1, 1, 1, 1, 1, 3), 1, 0, 1),)
    assert (found.scratch_bytes, found.weights_bytes) == (32, 96)


def test_weights_in_another_file_are_known_by_their_key() -> None:
    """linear_external.pte has them in weights.ptd."""
    found = stream("linear_external.pte")
    entry = read_data(FILES / "weights.ptd").entries[0]

    assert found.weights_bytes is None
    assert found.block("weight_data") == Block("weight_data", None, entry.key, 544)
    assert len(entry.segment.data) == 96


def damaged(edit: dict[int, bytes], cut: int = 0) -> Stream:
    """The stream of linear_u55.pte with some bytes replaced, `cut` bytes shorter."""
    program = read(FILES / "linear_u55.pte")
    delegate = program.methods[0].delegates[0]
    data = bytearray(delegate.data)
    for offset, new in edit.items():
        data[offset : offset + len(new)] = new
    shown = dataclasses.replace(program, name="x.pte")
    return read_stream(shown, dataclasses.replace(delegate, data=memoryview(bytes(data))[: len(data) - cut]))


@pytest.mark.parametrize(
    ("edit", "cut", "message"),
    [
        ({0: b"vela_bin_strean"}, 0, "byte 112: block name: got b'vela_bin_strean', wanted \"vela_bin_stream\""),
        ({16: b"\xff\xff\xff\xff"}, 0, "byte 144: vela_bin_stream: got 4294967295 bytes from here on, wanted them to"),
        ({20: b"\x02"}, 0, "byte 132: vela_bin_stream: got 020000000000000000000000, wanted 0 or 1, then 11 zeros"),
        ({20: b"\x01"}, 0, "byte 144: vela_bin_stream: got a key of 0 bytes, wanted 64 hexadecimal digits"),
        ({64: b"COP7"}, 0, 'byte 176: cmd_data: got b\'COP7\', wanted "COP1" or "COP2"'),
        ({68: b"\x09"}, 0, "byte 180: cmd_data: got driver action 9, wanted 1, 2 or 5"),
        ({75: b"\x30"}, 0, "byte 184: cmd_data.config: got product 3, wanted 0 (U55), 1 (U65) or 2 (U85)"),
        ({68: b"\x05" + bytes(11)}, 0, "byte 184: cmd_data: got driver action 0, wanted 1, 2 or 5"),
        ({608: struct.pack("<i", 2)}, 0, "byte 720: inputs: got 2 tensors in 40 bytes, wanted 36 bytes each"),
        ({612: struct.pack("<i", -1)}, 0, "byte 724: inputs: got (-1, 1, 1, 1, 1, 4, 1, 16, 1), wanted axes and size"),
        ({}, 16, "byte 864: vela_end_stream: got 4 bytes from here on, wanted them to end by byte 864"),
    ],
)
def test_a_broken_stream_is_refused(edit: dict[int, bytes], cut: int, message: str) -> None:
    """The byte is the file's, not the stream's."""
    with pytest.raises(BadPte) as caught:
        damaged(edit, cut)

    assert str(caught.value).startswith(f"x.pte: {message}")


def test_bytes_behind_the_stream_are_refused() -> None:
    """The runtime refuses them as well."""
    program = read(FILES / "linear_u55.pte")
    delegate = program.methods[0].delegates[0]
    longer = dataclasses.replace(delegate, data=memoryview(bytes(delegate.data) + bytes(16)))

    with pytest.raises(BadPte, match="got 16 bytes behind it, wanted the delegate's end"):
        read_stream(program, longer)


def test_commands_of_the_second_format_are_read() -> None:
    """linear_direct.pte: written for the direct drive from Linux, inputs and outputs in regions of their own."""
    found = stream("linear_direct.pte")

    assert found.commands is not None
    assert (found.commands.format, found.commands.configuration.npu) == ("COP2", "ethos-u85-256")
    assert bytes(found.commands.words[-4:]) == struct.pack("<I", 0xFFFF0000)
    assert [tensor.region for tensor in (*found.inputs, *found.outputs)] == [3, 4]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({4: b"\x02"}, "byte 4: cmd_data: got 2, wanted 1"),
        ({8: b"\xff"}, "byte 8: cmd_data: got 255, wanted 48"),
        ({16: b"\x02"}, "byte 16: cmd_data: got 2, wanted 1"),
        ({24: b"\xff"}, "byte 28: cmd_data.metadata: got 255 bytes from here on, wanted them to end by byte 64"),
        ({28: b"X"}, "byte 28: cmd_data.metadata: got b'XEUM', wanted \"VEUM\""),
        ({32: b"\x09"}, "byte 64: cmd_data: got a stream without a configuration, wanted the NPU that it is for"),
        ({36: b"\xff"}, "byte 40: cmd_data.metadata: got 255 bytes from here on, wanted them to end by byte 64"),
    ],
)
def test_a_broken_second_format_is_refused(edit: dict[int, bytes], message: str) -> None:
    """A payload of 64 bytes with an empty stream."""
    record = struct.pack("<7I", 1, 20, 0x20000118, 0x20000000, 2, 32, 0)
    metadata = b"VEUM" + record + b"\xff" * 4
    data = bytearray(b"COP2" + struct.pack("<6I", 1, 48, 0, 1, 40, len(metadata)) + metadata)
    for offset, new in edit.items():
        data[offset : offset + len(new)] = new

    with pytest.raises(BadPte) as caught:
        read_commands(Bytes(memoryview(bytes(data)), "x.pte"))

    assert str(caught.value) == f"x.pte: {message}"


def test_a_stream_without_a_configuration_is_refused() -> None:
    """Its NPU is unknown."""
    with pytest.raises(BadPte, match="got a stream without a configuration, wanted the NPU that it is for"):
        read_commands(Bytes(memoryview(b"COP1" + struct.pack("<I", 2)), "x.pte"))


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (struct.pack("<I", 2), "byte 24: cmd_data: got a second command stream, wanted one"),
        (struct.pack("<I", 9), "byte 24: cmd_data: got driver action 9, wanted 1, 2 or 5"),
        (b"\5", "byte 24: cmd_data: got 4 bytes from here on, wanted them to end by byte 25"),
    ],
)
def test_what_follows_the_stream_is_checked(tail: bytes, message: str) -> None:
    """The runtime reads on to the end as well."""
    payload = write_commands(0x1807, 0, (0xFFFF0000,))[:16] + struct.pack("<2I", 1 << 16 | 2, 0xFFFF0000)

    with pytest.raises(BadPte) as caught:
        read_commands(Bytes(memoryview(payload + tail), "x.pte"))

    assert str(caught.value) == f"x.pte: {message}"


def test_what_is_written_is_read() -> None:
    """A COP1 payload, its stream aligned to 16 bytes."""
    payload = write_commands(0x20000118, 0x20000000, (1, 2, 0xFFFF0000))
    commands = read_commands(Bytes(memoryview(payload), "x.pte"))

    assert (commands.format, commands.configuration.npu, commands.identity) == ("COP1", "ethos-u85-256", 0x20000000)
    assert (commands.offset % 16, struct.unpack("<3I", commands.words)) == (0, (1, 2, 0xFFFF0000))


@pytest.mark.parametrize(
    ("config", "npu", "exists"),
    [
        (0x00001807, "ethos-u55-128", True),
        (0x10006009, "ethos-u65-512", True),
        (0x2000251A, "ethos-u85-1024", True),
        (0x2000251C, "ethos-u85-4096", False),
        (0x0000180A, "ethos-u55-1024", False),
        (0xFFFFFFFF, "product 15-32768", False),
        (0, "ethos-u55-1", False),
    ],
)
def test_a_word_names_an_npu_or_none(config: int, npu: str, exists: bool) -> None:
    """The product and log2 of the multiply-accumulates decide."""
    assert (npu_name(config), names_npu(config)) == (npu, exists)
