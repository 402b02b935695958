"""Code of the user that a recipe names: imported from its file, its errors with its lines, and what it reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from etbuild.compile.tracked_code import UserCode
from etbuild.errors import StepError

SOURCE = Path("own/things.py")
CODE = """\
import json
from scales_of_own import SCALE

class Scaled:
    def __init__(self, more=0):
        self.scale = SCALE + more

    def __call__(self):
        with open("own/table.txt") as file:
            return self.scale * int(file.read())

def fails():
    return 1 // 0

TABLE = {}
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UserCode:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "scales_of_own", raising=False)
    (tmp_path / "own").mkdir()
    (tmp_path / SOURCE).write_text(CODE)
    (tmp_path / "own/scales_of_own.py").write_text("SCALE = 2\n")
    (tmp_path / "own/table.txt").write_text("21")
    (tmp_path / "own/unread.txt").write_text("7")
    return UserCode()


def refusal(code: UserCode, source: Path, name: str) -> str:
    with pytest.raises(StepError) as caught:
        code.made(source, name, "passes[0]")
    return str(caught.value)


def test_what_the_import_and_each_later_call_read_is_in_the_depfile(code: UserCode, tmp_path: Path) -> None:
    """The file itself is declared; what it imports and opens is discovered."""
    made = code.made(SOURCE, "Scaled", "passes[0]", more=1)
    with code.running("a call"):
        assert made() == 63
    with code.running("another call"):
        assert made() == 63
    code.write_depfile(tmp_path / "deps.json", [SOURCE])

    found = json.loads((tmp_path / "deps.json").read_text())
    assert found["inputs"] == ["own/scales_of_own.py", "own/table.txt"]
    assert list(found["opened"]) == ["own/scales_of_own.py", "own/table.txt", "own/things.py"]
    assert found["untracked"] == []


def test_what_runs_outside_of_the_context_is_not_recorded(code: UserCode, tmp_path: Path) -> None:
    """Our own code reads files too."""
    code.made(SOURCE, "Scaled", "passes[0]")
    (tmp_path / "own/unread.txt").read_text()
    code.write_depfile(tmp_path / "deps.json", [SOURCE])

    assert json.loads((tmp_path / "deps.json").read_text())["inputs"] == ["own/scales_of_own.py"]


def test_a_file_is_imported_once_for_all_its_entries(code: UserCode) -> None:
    """So its classes are the same ones."""
    assert isinstance(code.made(SOURCE, "Scaled", "passes[0]"), code.entry(SOURCE, "Scaled", "passes[1]"))


def test_an_error_has_the_users_lines(code: UserCode) -> None:
    """And no line of etbuild."""
    fails = code.made(SOURCE, "fails", "passes[0]")

    with pytest.raises(StepError) as caught, code.running("own/things.py: fails()"):
        fails()

    assert str(caught.value) == (
        "own/things.py: fails(): got ZeroDivisionError: integer division or modulo by zero\n"
        "    own/things.py:13 in fails: return 1 // 0"
    )


def test_an_import_that_fails_has_the_users_lines(code: UserCode, tmp_path: Path) -> None:
    """As that of a model."""
    (tmp_path / SOURCE).write_text("import scales_that_nobody_has\n")

    assert refusal(code, SOURCE, "Scaled") == (
        "own/things.py: import: got ModuleNotFoundError: No module named 'scales_that_nobody_has'\n"
        "    own/things.py:1 in <module>: import scales_that_nobody_has"
    )


def test_an_entry_that_the_file_lacks_is_named(code: UserCode) -> None:
    """With the key that names it."""
    assert refusal(code, SOURCE, "Scale") == (
        "own/things.py: passes[0]: got no Scale, wanted a class or function of this name"
    )


def test_an_entry_that_cannot_be_called_is_refused(code: UserCode) -> None:
    """A constant is no pass."""
    assert refusal(code, SOURCE, "TABLE") == "own/things.py: passes[0]: got a dict, wanted a class or function"


def test_a_file_that_is_missing_is_named(code: UserCode) -> None:
    """Deleted after the plan was made."""
    assert refusal(code, Path("gone.py"), "x") == "gone.py: got no such file, wanted the file that passes[0] names"
