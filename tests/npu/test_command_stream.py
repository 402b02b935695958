"""Command streams as text and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.npu.command_stream import (
    Job,
    StreamError,
    assemble,
    build_payload,
    command,
    decode,
    encode,
    parse_payload,
)
from etbuild.npu.disassembler import disassemble, text
from etbuild.pte.flatbuffer import BadPte
from tests.npu import program

STREAMS = sorted((Path(__file__).parent / "streams").glob("*.toml"))
CONFIG = 0x00001807
CONFIGURED = b"COP1" + b"\1\0\0\0" + CONFIG.to_bytes(4, "little") + b"\0\0\0\0"


def payload_of(lines: list[str]) -> bytes:
    return build_payload(Job(CONFIG, 0, tuple(encode(assemble(lines, "u55")))))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_encoding_what_was_decoded_gives_the_same_words(path: Path) -> None:
    """Every committed stream, through commands and through the disassembler's text."""
    for test in program.read(path):
        job = parse_payload(test.payload())
        commands = list(decode(job.words, job.family))

        assert encode(commands) == list(job.words)
        assert encode(assemble([text(one) for one in commands], job.family)) == list(job.words)


def test_a_payload_is_parsed_and_built() -> None:
    """Configuration, padding to 16 bytes, stream."""
    payload = payload_of(["IFM_REGION 3", "STOP 65535"])

    job = parse_payload(payload)

    assert (job.npu, job.config, job.words) == ("ethos-u55-128", CONFIG, (0x0003010F, 0xFFFF0000))
    assert build_payload(job) == payload


def test_the_disassembly_numbers_operations_and_shows_fields_by_name() -> None:
    """The whole text of a small stream; a size reads as the size, a mode as its name."""
    payload = payload_of(
        ["OFM_WIDTH 5", "OFM_PRECISION signed=1 element=1 rounding=NATURAL", "OFM_SCALE scale=7 shift=3",
         "IFM_STRIDE_X -16", "POOL AVERAGE", "STOP 65535"]
    )  # fmt: skip

    assert disassemble(payload) == (
        "ethos-u55-128: config 0x00001807, 8 words\n"
        "     0      OFM_WIDTH            5\n"
        "     1      OFM_PRECISION        signed=1 element=1 brick=0 global_scale=0 rounding=NATURAL\n"
        "     2      OFM_SCALE            scale=7 shift=3\n"
        "     4      IFM_STRIDE_X         -16\n"
        "     6  POOL                 AVERAGE    ; operation 0\n"
        "     7  STOP                 mask=65535    ; operation 1\n"
    )


def test_the_disassembly_shows_unknown_commands_and_bits() -> None:
    """Nothing is hidden."""
    words = (0x00050106, 0xFFFF010F, 0x00004021, 9)

    assert disassemble(build_payload(Job(CONFIG, 0, words))).splitlines()[1:] == [
        "     0      unknown command 0x106 of kind 0: 0x5",
        "     1      IFM_REGION           7 other_bits=0xfff8",
        "     2      WEIGHT_LENGTH        9",
    ]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"COP7" * 4, 'byte 0: cmd_data: got b\'COP7\', wanted "COP1" or "COP2"'),
        (b"COP1" + b"\7\0\0\0", "byte 4: cmd_data: got driver action 7, wanted 1, 2 or 5"),
        (CONFIGURED + b"\2\0\2\0", "byte 20: cmd_data: got 8 bytes from here on, wanted them to end by byte 20"),
        (
            b"COP1" + b"\1\0\0\0" + b"\0\0\0\x50" + b"\0\0\0\0",
            "byte 8: cmd_data.config: got product 5, wanted 0 (U55), 1 (U65) or 2 (U85)",
        ),
    ],
)
def test_what_is_no_driver_payload_is_refused(payload: bytes, message: str) -> None:
    """By the reader of .pte files."""
    with pytest.raises(BadPte) as caught:
        parse_payload(payload)

    assert str(caught.value) == f"driver payload: {message}"


def test_a_stream_that_ends_inside_a_command_is_refused() -> None:
    """A wide register without its second word."""
    with pytest.raises(StreamError, match="word 0 announces a second word, which is missing"):
        list(decode([0x00004021], "u55"))


@pytest.mark.parametrize("line", ["NO_SUCH 1", "OFM_WIDTH 70000", "OFM_SCALE scale=1 shaft=2", "IFM_REGION nine"])
def test_the_assembler_names_the_line_that_it_refuses(line: str) -> None:
    """Unknown names and numbers that do not fit."""
    with pytest.raises(StreamError, match=f"assembler: got '{line}'"):
        assemble([line], "u55")


def test_a_command_is_built_by_name_for_its_family() -> None:
    """The same name may mean other bits on another family."""
    assert command("OFM_SCALE", "u85", {"scale": 1, "rounding": "FLOOR"}).raw == 5 << 45 | 1
    with pytest.raises(KeyError, match="OP_SCALAR of u55"):
        command("OP_SCALAR", "u55", 1)
