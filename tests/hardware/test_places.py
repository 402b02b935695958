"""Where a user's boards are: the file's schema, and what is wrong in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from etbuild.config.schemas import schema_file, schema_text
from etbuild.errors import RecipeError
from etbuild.hardware.places import read_places
from etbuild.hardware.places_schema import places_schema


def test_the_committed_schema_is_what_the_generator_gives() -> None:
    """Run `python -m etbuild.hardware.places_schema` after a change of `Places`."""
    schema = places_schema()

    Draft202012Validator.check_schema(schema)
    assert schema_text(schema) == schema_file("places").read_text()


def test_no_file_is_no_place(tmp_path: Path) -> None:
    """The recipe and the environment are enough."""
    assert read_places(tmp_path / "none.yaml").boards == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boards: {a: {hots: x}}", ":1:14: boards.a.hots: got a key that does not exist, wanted one of host, serial,"),
        ("boards: {a: {gdb: x}}", ':1:19: boards.a.gdb: got "x", wanted HOST:PORT'),
        ("boards: {a: {variables: [x]}}", "boards.a.variables"),
        ("# none yet", ":1:1: got an empty file, wanted a mapping"),
        ("[]", ":1:1: got an empty list, wanted a mapping"),
        (
            "boards: {a: {token: x}}",
            ":1:21: boards.a.token: got token, wanted no secrets\n    a password is never read",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Line, column and key."""
    (tmp_path / "boards.yaml").write_text(text)

    with pytest.raises(RecipeError) as caught:
        read_places(tmp_path / "boards.yaml")

    assert message in str(caught.value)
