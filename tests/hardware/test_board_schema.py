"""The schema of boards is generated from the board's classes, and its limits give messages at the right location."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from etbuild.config.schemas import schema_file, schema_text
from etbuild.errors import RecipeError
from etbuild.hardware.boards import load_board
from etbuild.hardware.schema import board_schema, changes_schema

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

BOARD = """\
title: One region
cpu: {core: cortex-m55, clock_hz: 1000000, cache_line: 0, counter: dwt}
memory:
  ram: {address: 0x20000000, size: 1048576}
placement: {code: ram, data: ram, stack: ram, model: ram, vectors: ram, arena: ram, scratch: ram, fast_scratch: ram}
stack_size: 4 KiB
npu: {driver: emulator, families: [u55, u85], macs: [128]}
semihosting: true
simulators:
  fvp: {programs: {u55: FVP_55, u85: FVP_85}, npu: ethosu, cpu: cpu0, parameters: {a: true, b: 7, c: x}}
"""


def load(tmp_path: Path, text: str) -> Board:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return load_board(file, Path("mine.yaml"))


def test_the_committed_schema_is_what_the_generator_gives() -> None:
    """Run `python -m etbuild.hardware.schema` after a change of the board's classes or of the NPU catalog."""
    schema = board_schema()

    Draft202012Validator.check_schema(schema)
    assert schema_text(schema) == schema_file("board").read_text()


def test_the_committed_schema_of_changes_is_what_the_generator_gives() -> None:
    """It wants `extends` alone, and takes null for every key."""
    schema = changes_schema()

    Draft202012Validator.check_schema(schema)
    assert schema_text(schema) == schema_file("board_changes").read_text()
    valid = Draft202012Validator(schema)
    changes = {"extends": "x", "npu": {"address": None}, "uart": None, "memory": {"sram": {"size": 1}, "ddr": None}}
    assert valid.is_valid(changes)
    assert not valid.is_valid({"title": "x"})
    assert not valid.is_valid({"extends": "x", "npu": {"adress": 1}})


def test_the_schema_is_written_out_without_references() -> None:
    """The families and MACs of the NPU catalog are where they are used."""
    text = json.dumps(board_schema())

    assert "$ref" not in text
    assert "$defs" not in text


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    """Sizes as numbers and as text, lists, mappings by name; a parameter that is true is 1 for the FVP."""
    board = load(tmp_path, BOARD)

    assert (board.region("ram").size, board.stack_size) == (1 << 20, 4096)
    assert (board.npu.families, board.npu.macs, board.npu.address) == (("u55", "u85"), (128,), 0)
    assert board.fvp is not None
    assert board.fvp.programs == {"u55": "FVP_55", "u85": "FVP_85"}
    assert board.fvp.parameter_texts == (("a", "1"), ("b", "7"), ("c", "x"))
    assert (board.qemu, board.uart, board.fvp.uart) == ("", None, "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  ram:",
            "  Ram-1:",
            'mine.yaml:4:3: memory.Ram-1: got "Ram-1", wanted a name that matches ^[a-z][a-z0-9_]*$',
        ),
        (
            "{u55: FVP_55",
            "{u56: FVP_55",
            'mine.yaml:10:20: simulators.fvp.programs.u56: got "u56", wanted one of u55, u65, u85\n'
            "    did you mean u85?",
        ),
        (
            "a: true",
            "a: [1]",
            "mine.yaml:10:87: simulators.fvp.parameters.a: got a list, wanted an integer or text or true or false",
        ),
    ],
)
def test_a_wrong_name_and_a_wrong_type_are_reported_at_their_location(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """A name is reported at its key, a value at its own location."""
    assert old in BOARD

    with pytest.raises(RecipeError) as caught:
        load(tmp_path, BOARD.replace(old, new, 1))

    assert str(caught.value) == message
