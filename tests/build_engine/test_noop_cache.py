"""Entries of the no-op cache: what they are compared with, and which are stored."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from etbuild.build_engine import noop
from etbuild.build_engine.noop import Evidence, command_key, is_standard, lookup, store
from etbuild.system import environment, tools
from etbuild.system.digests import AT_REST_NS, StatKey, stat_of

PYTHON, DOIT = tools.version("python"), tools.version("doit")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, and what the process has read of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONE", "1")
    monkeypatch.setenv("TWO", "2")
    monkeypatch.setattr(environment, "_READ", {"ONE", "TWO"})
    return tmp_path


def is_stored(stats: dict[str, StatKey | None], began_ns: int = noop.BEGAN_NS) -> bool:
    store("command", "text", Evidence(stats, {}, began_ns))
    return lookup("command") == "text"


def test_a_command_is_arguments_settings_terminal_and_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them may change what is printed."""
    monkeypatch.setattr(sys, "argv", ["doit", "build:a", "-n", "2"])
    monkeypatch.setenv("DOIT_SEEK_FILE", "yes")

    assert ast.literal_eval(command_key({"n": 2})) == (
        ["build:a", "-n", "2"],
        {"n": 2},
        (None, "yes"),
        False,
        sys.stdout.encoding,
        (sys.executable, sys.version, noop.__file__, DOIT),
    )


def test_an_entry_is_valid_while_nothing_changes() -> None:
    """Evidence of a run begins before its modules are loaded."""
    assert Evidence({}, {}).began_ns == noop.BEGAN_NS
    assert is_stored({"none": None})
    name = hashlib.sha256(b"command").hexdigest()[:16]
    assert list(Path("build/.etbuild/noop").iterdir()) == [Path(f"build/.etbuild/noop/{name}.json")]


def test_an_entry_of_another_command_is_none() -> None:
    """Even under its name: names are short."""
    assert is_stored({})
    noop._file("command").rename(noop._file("other"))

    assert (lookup("command"), lookup("other")) == (None, None)


@pytest.mark.parametrize("name", ["ONE", "TWO"])
@pytest.mark.parametrize("value", ["", "other", None])
def test_each_variable_is_compared(name: str, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty is not unset; that the others are unchanged does not make up for it."""
    assert is_stored({})
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)

    assert lookup("command") is None


@pytest.mark.parametrize(
    ("versions", "valid"),
    [
        ({"python": PYTHON, "doit": DOIT}, True),
        ({"python": "other", "doit": DOIT}, False),
        ({"python": PYTHON, "doit": "other"}, False),
        ({"no such tool": "1"}, False),
    ],
)
def test_each_tool_is_compared(versions: dict[str, str], valid: bool) -> None:
    """One that is gone now is left to the full decision."""
    store("command", "text", Evidence({}, versions))

    assert (lookup("command") == "text") is valid


@pytest.mark.parametrize("changed", ["one", "two"])
def test_each_file_is_compared(changed: str) -> None:
    """By its stat."""
    for name in ("one", "two"):
        Path(name).write_text("")
    began_ns = max(Path(name).stat().st_ctime_ns for name in ("one", "two")) + AT_REST_NS
    stored = is_stored({name: stat_of(name) for name in ("one", "two")}, began_ns)
    os.utime(changed, ns=(1, 1))

    assert stored
    assert lookup("command") is None


def test_one_file_that_was_just_written_is_enough_to_store_nothing() -> None:
    """Wherever it is among the others; it may change again under the same stat."""
    old, young = (1, 1, 1, 1, 1), (1, 1, 1, 1, 2)

    assert not is_stored({"old": old, "young": young, "none": None}, AT_REST_NS + 1)
    assert not noop.FOLDER.exists()
    store("command", "text", Evidence({"old": old, "young": young, "none": None}, {}, AT_REST_NS + 2))
    assert noop._file("command").exists()


def test_equal_stats_are_equal_however_they_are_kept_in_memory() -> None:
    """One object for two names here; of two links to one file each has a stat of its own later."""
    Path("a").write_text("")
    os.link("a", "b")
    stat = stat_of("a")
    assert stat is not None

    assert is_stored({"a": stat, "b": stat}, stat[4] + AT_REST_NS)


def test_a_path_that_is_no_unicode_is_part_of_an_entry_as_any_other() -> None:
    """JSON has it as an escape."""
    store("command", "\udcff", Evidence({"\udcff": None}, {}))

    assert lookup("command") == "\udcff"


def test_entries_beyond_the_newest_sixteen_are_deleted() -> None:
    """By when they were written."""
    for number in range(20):
        store(str(number), "text", Evidence({}, {}))
        os.utime(noop._file(str(number)), ns=(number, 1000 - number))
    store("last", "text", Evidence({}, {}))

    kept = [number for number in range(20) if noop._file(str(number)).exists()]
    assert lookup("last") == "text"
    assert (len(kept), len(list(noop.FOLDER.iterdir()))) == (15, 16)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (noop.DODO.encode(), True),
        (b'"""Mine."""\n' + noop.DODO.encode(), True),
        (b"# Mine.\n\n" + noop.DODO.encode(), True),
        (b"'text'\n'text'\n" + noop.DODO.encode(), False),
        (noop.DODO.encode() + b"'text'\n", False),
        (b"x = 1\n" + noop.DODO.encode(), False),
        (noop.DODO.partition("\n")[2].encode(), False),
        (b"\0", False),
        (b"\xff", False),
        (b"(", False),
        (None, False),
    ],
)
def test_only_a_dodo_with_our_statements_is_standard(content: bytes | None, expected: bool) -> None:
    """And a docstring; one that cannot be read is not."""
    if content is not None:
        Path("dodo.py").write_bytes(content)

    assert is_standard("dodo.py") is expected


def test_the_dodo_that_is_shipped_is_standard() -> None:
    """Whoever builds the shipped recipes has the no-op cache."""
    assert is_standard(str(Path(__file__).parents[2] / "dodo.py"))


def test_an_entry_is_json_with_paths_and_versions() -> None:
    """So that one can see what it depends on."""
    store("command", "text", Evidence({"none": None}, {"python": "3"}))

    found = json.loads(noop._file("command").read_text())
    assert found.pop("stats") == noop._digest([None])
    assert found == {
        "command": "command",
        "environment": {"ONE": "1", "TWO": "2"},
        "tools": {"python": "3"},
        "paths": ["none"],
        "text": "text",
    }
