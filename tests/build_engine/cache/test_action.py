"""Actions as bytes: what is read back, and what is no action of a step, whoever has written it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from etbuild.build_engine.cache import action
from etbuild.build_engine.cache.action import Action, StoredFile, files_of
from etbuild.build_engine.decision import Record
from etbuild.build_engine.step import Step
from etbuild.system.digests import folder_digest

ONE, TWO = (hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))
STEP = Step("export:net", ("--x",), ("in", "other"), ("build/a.bin", "build/folder", "build/empty"))
FILES = (
    StoredFile("build/a.bin", "", ONE, 1, True),
    StoredFile("build/folder", "x", ONE, 0, False),
    StoredFile("build/folder", "deep/y", TWO, (1 << 40) - 1, False),
)
RECORD = Record(
    STEP.argv,
    inputs={"in": "i1", "other": "i2"},
    outputs={
        "build/a.bin": ONE,
        "build/folder": folder_digest({"x": ONE, "deep/y": TWO}),
        "build/empty": folder_digest({}),
    },
    seconds=1.5,
    peak_bytes=7,
)


def read(files: tuple[StoredFile, ...] = FILES, record: Record = RECORD) -> Action | None:
    return Action.from_bytes("name", Action("name", record, files).to_bytes(), STEP)


def test_an_action_is_read_back_as_it_was_written() -> None:
    """Files, empty folders and the record."""
    assert read() == Action("name", RECORD, FILES)


def test_the_format_is_a_line_of_files_and_the_record() -> None:
    """Other checkouts and machines read it."""
    head, _, rest = Action("name", RECORD, FILES).to_bytes().partition(b"\n")

    assert json.loads(head) == [list(astuple(file)) for file in FILES]
    assert rest == RECORD.to_json().encode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("output", "build/other"),
        ("output", 1),
        ("inner", 1),
        ("inner", None),
        ("inner", "/etc/passwd"),
        ("inner", "../escaped"),
        ("inner", "deep/../y"),
        ("inner", "a\ud800"),
        *(("inner", f"a{letter}b") for letter in "\n\x7f\u200e\u2028\u2029"),
        ("digest", 1),
        ("digest", ONE[1:]),
        ("digest", f"{ONE}0"),
        ("digest", ONE.upper().replace("0", "A")),
        ("size", "1"),
        ("size", 1.0),
        ("size", -1),
        ("size", 1 << 40),
        ("executable", 1),
        ("executable", None),
    ],
)
@pytest.mark.parametrize("place", [0, 2])
def test_a_file_with_one_impossible_field_makes_it_none(place: int, field: str, value: object) -> None:
    """The first or the last of its files; all other fields are right."""
    changed = [replace(file, **{field: value}) if at == place else file for at, file in enumerate(FILES)]

    assert read(tuple(changed)) is None
    assert not action._is_of(changed[place], STEP)


@pytest.mark.parametrize("name", ["x", "deep/y", "a b", "\u00e4", "a..b", "...", ""])
def test_usual_names_are_names(name: str) -> None:
    """Of any alphabet."""
    assert action._is_of(replace(FILES[1], inner=name), STEP)


@pytest.mark.parametrize("files", [FILES[1:], FILES[:2], (*FILES, replace(FILES[0], inner="more")), ()])
def test_files_that_are_not_the_outputs_of_the_record_make_it_none(files: tuple[StoredFile, ...]) -> None:
    """One is missing, or there is one more: the restored step would run every time."""
    assert read(files) is None


@pytest.mark.parametrize(
    "change",
    [
        {"argv": ("--y",)},
        {"inputs": {"in": "i1"}},
        {"inputs": {**RECORD.inputs, "more": "i3"}},
        {"outputs": {**RECORD.outputs, "build/more": folder_digest({})}},
        {"outputs": {**RECORD.outputs, "build/a.bin": TWO}},
        {"outputs": {**RECORD.outputs, "build/folder": TWO}},
        {"seconds": -0.5},
        {"seconds": float("nan")},
        {"seconds": 1e8 + 1},
        {"peak_bytes": -1},
        {"peak_bytes": (1 << 40) + 1},
    ],
)
def test_a_record_that_no_run_of_the_step_has_written_makes_it_none(change: dict[str, object]) -> None:
    """It would become the record of the step."""
    assert read(record=replace(RECORD, **change)) is None  # type: ignore[arg-type]


def test_outputs_are_those_of_the_step() -> None:
    """One that the record and the files leave out is missing afterwards."""
    less = replace(RECORD, outputs={name: RECORD.outputs[name] for name in STEP.outputs[:2]})

    assert read(record=less) is None


@pytest.mark.parametrize(
    "change",
    [{"seconds": 0}, {"seconds": 1e8}, {"peak_bytes": 0}, {"peak_bytes": 1 << 40}],
)
def test_the_limits_of_a_record_belong_to_it(change: dict[str, object]) -> None:
    """Time and memory that a process may have needed."""
    assert read(record=replace(RECORD, **change)) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\n", b"[]", b"[[]]\n{}", b"[7]\n{}", b"[" * 99999])
def test_what_is_no_action_is_none(data: bytes) -> None:
    """Never an error."""
    assert Action.from_bytes("name", data, STEP) is None
    assert Action.from_bytes("name", data + b"\n" + RECORD.to_json().encode(), STEP) is None


def test_the_files_of_outputs_are_found(tmp_path: Path) -> None:
    """By folder and name, each with digest, size and whether its owner can execute it; empty folders have none."""
    (tmp_path / "build/folder/deep").mkdir(parents=True)
    (tmp_path / "build/empty").mkdir()
    for name, text, mode in (("a.bin", "1", 0o611), ("folder/z", "22", 0o744), ("folder/b", "", 0o600)):
        (tmp_path / "build" / name).write_text(text)
        (tmp_path / "build" / name).chmod(mode)
    (tmp_path / "build/folder/deep/y").write_text("2")

    assert list(files_of(STEP.outputs, tmp_path)) == [
        StoredFile("build/a.bin", "", ONE, 1, False),
        StoredFile("build/folder", "b", hashlib.sha256().hexdigest(), 0, False),
        StoredFile("build/folder", "z", hashlib.sha256(b"22").hexdigest(), 2, True),
        StoredFile("build/folder", "deep/y", TWO, 1, False),
    ]
