"""The no-op cache: any difference from the state of the full decision invalidates an entry."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from built_project import ALL, FakeProject
from noop_entries import PLANTED, STANDARD, STATE, planted

from etbuild.build_engine import noop
from etbuild.build_engine.noop import Evidence

DATA = Path("recipes/data/calibration.npz")
RECORD = STATE / "steps/pte.net@ethos-u55-128.json"
MODEL = Path("build/net/ethos-u55-128/model.pte")
DELEGATES = Path("build/net/tosa-u55/delegates")


@pytest.fixture
def is_valid(standard: FakeProject, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Whether the project's entry is valid, as a new process finds out."""
    command = json.loads(planted(standard).read_text())["command"]
    monkeypatch.chdir(standard.root)
    monkeypatch.setenv("NET_FOLDER", "models")
    return lambda: noop.lookup(command) == PLANTED


def rewrite_with_the_same_times() -> None:
    times = DATA.stat()
    DATA.write_bytes(b"SAMPLES")
    os.utime(DATA, ns=(times.st_atime_ns, times.st_mtime_ns))


def retarget() -> None:
    """A symbolic link with the same text behind it is another file."""
    other = DATA.with_name("other.npz")
    shutil.copy2(DATA, other)
    DATA.unlink()
    DATA.symlink_to(other.name)


CHANGES: dict[str, Callable[[], object]] = {
    "an input under its old times": rewrite_with_the_same_times,
    "an input that is a link now": retarget,
    "a touched input": lambda: os.utime(DATA),
    "an output that is gone": MODEL.unlink,
    "an edited output": lambda: MODEL.write_bytes(b"mine"),
    "a file more in an output": lambda: (DELEGATES / "more.tosa").write_bytes(b""),
    "a file less in an output": lambda: next(DELEGATES.iterdir()).unlink(),
    "a folder in an output": lambda: (DELEGATES / "more").mkdir(),
    "a record damaged in place": lambda: RECORD.write_text(RECORD.read_text().replace("5.1", "5.0")),
    "a record that is gone": RECORD.unlink,
    "a plan that is gone": (STATE / "plan.json").unlink,
    "doit's database": lambda: os.utime(STATE / "doit.json"),
    "a recipe more": lambda: Path("recipes/other.yaml").write_text(""),
    "an edited recipe": lambda: Path("recipes/net.yaml").write_text(""),
    "another dodo.py": lambda: Path("dodo.py").write_text(f"{STANDARD}print(1)\n"),
    "no build folder": lambda: shutil.rmtree("build/net"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_anything_that_was_examined_invalidates_the_entry(
    is_valid: Callable[[], bool], change: Callable[[], object]
) -> None:
    """By its stat, whatever its content."""
    before = is_valid()
    change()

    assert (before, is_valid()) == (True, False)


def test_files_that_were_not_examined_change_nothing(is_valid: Callable[[], bool]) -> None:
    """A file next to an output, another folder of the project."""
    MODEL.with_name("notes.txt").write_text("")
    Path("docs").mkdir()

    assert is_valid()


def test_a_variable_of_a_recipe_invalidates_the_entry(
    is_valid: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were asked for, and only those."""
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    before = is_valid()
    monkeypatch.setenv("NET_FOLDER", "../recipes/models")

    assert (before, is_valid()) == (True, False)


@pytest.mark.parametrize("name", ["torch", "ethos-u-vela", "tosa-tools"])
def test_a_tool_of_another_version_invalidates_the_entry(
    is_valid: Callable[[], bool], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found as import would find it."""
    (tmp_path / f"{name.replace('-', '_')}-99.dist-info").mkdir()
    before = is_valid()
    monkeypatch.syspath_prepend(str(tmp_path))

    assert (before, is_valid()) == (True, False)


def test_another_compiler_invalidates_the_entry(
    is_valid: Callable[[], bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that CXX names."""
    (tmp_path / "other-c++").write_text("#!/bin/sh\necho other\n")
    (tmp_path / "other-c++").chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", str(tmp_path / "other-c++"))

    assert not is_valid()


@pytest.mark.parametrize("words", [("ignore", "header:net"), ("forget", "header:net"), ("clean", "header:net")])
def test_doits_own_commands_invalidate_the_entry(
    standard: FakeProject, is_valid: Callable[[], bool], words: tuple[str, ...]
) -> None:
    """What is ignored, forgotten or removed is no longer up to date."""
    before = is_valid()
    done = standard.doit(*words)

    assert done.returncode == 0, done.stderr
    assert (before, is_valid()) == (True, False)


def test_an_ignored_step_is_printed_each_time(standard: FakeProject) -> None:
    """No entry is stored of it."""
    planted(standard)
    standard.doit("ignore", "header:net@ethos-u55-128")

    printed = [standard.doit().stdout for _ in range(2)]

    assert all("header:net@ethos-u55-128                     ignored\n" in text for text in printed)


def test_doits_own_settings_are_part_of_the_command(standard: FakeProject) -> None:
    """From doit.cfg, pyproject.toml and the environment."""
    planted(standard)
    standard.environment["DOIT_SEEK_FILE"] = "yes"
    sought = standard.doit().stdout
    del standard.environment["DOIT_SEEK_FILE"]
    (standard.root / "doit.cfg").write_text("[GLOBAL]\nreporter = zero\n")

    assert PLANTED not in sought + standard.doit().stdout


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"command": 1}', "[" * 100_000, "null"])
def test_a_damaged_entry_is_ignored_and_replaced(standard: FakeProject, text: str) -> None:
    """The full decision is made."""
    entry = planted(standard)
    entry.write_text(text)

    done = standard.doit()

    assert {line.split()[0] for line in done.stdout.splitlines()} == ALL
    assert json.loads(entry.read_text())["text"] == done.stdout


def test_a_file_that_appears_invalidates_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absence is part of the evidence."""
    monkeypatch.chdir(tmp_path)
    noop.store("command", "text", Evidence({"none": None}, {}))
    before = noop.lookup("command") == "text"
    Path("none").write_text("")

    assert before and noop.lookup("command") is None
