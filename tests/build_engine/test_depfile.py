"""Depfiles: what a step's program says that it has read, beyond what the step declares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etbuild.build_engine.depfile import Depfile, read_depfile
from etbuild.build_engine.step import Step
from etbuild.errors import StepError

STEP = Step("export:net", (), ("model.py", "recipes"), ("build/deps.json",), depfile="build/deps.json")


def read(folder: Path, text: str) -> Depfile:
    (folder / "build").mkdir()
    (folder / "build/deps.json").write_text(text)
    return read_depfile(STEP, folder)


def test_a_step_without_a_depfile_has_read_what_it_declares(tmp_path: Path) -> None:
    """No file is looked for."""
    assert read_depfile(STEP._replace(depfile=""), tmp_path) == Depfile((), {}, ())


def test_files_facts_and_what_cannot_be_tracked_are_read(tmp_path: Path) -> None:
    """Discovered is all that is no input; seen is what the program says of files and facts, inputs too."""
    data = {
        "inputs": ["z.py", "model.py", "a.py"],
        "opened": {"a.py": "da", "model.py": "dm"},
        "facts": {"env://X": "unset"},
        "untracked": ["a subprocess", "the network"],
    }

    assert read(tmp_path, json.dumps(data)) == Depfile(
        ("a.py", "env://X", "z.py"),
        {"a.py": "da", "model.py": "dm", "env://X": "unset"},
        ("a subprocess", "the network"),
    )


def test_only_the_inputs_must_be_there(tmp_path: Path) -> None:
    """A compiler's depfile has no facts."""
    assert read(tmp_path, '{"inputs": ["a.h"]}') == Depfile(("a.h",), {}, ())


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("{}", "'inputs'"),
        ('{"inputs": 1}', "'int' object is not iterable"),
        ("[]", "'list' object has no attribute 'get'"),
    ],
)
def test_what_is_no_depfile_is_named(tmp_path: Path, text: str, got: str) -> None:
    """The step, the file, and what is wrong with it."""
    with pytest.raises(StepError) as error:
        read(tmp_path, text)

    assert str(error.value) == f'export:net: build/deps.json: got {got}, wanted {{"inputs": [path, ...]}}'
