"""The no-op cache: what doit prints from it is what the full decision printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from built_project import ALL, FakeProject
from noop_entries import PLANTED, STANDARD, STATE, entries, planted

from etbuild import PACKAGE
from etbuild.build_engine import noop
from etbuild.build_engine.noop import Evidence
from etbuild.system.digests import AT_REST_NS, stat_of

# What a build with nothing to do imports of ours; and what doit itself looks for, which importtime does not list:
# etbuild.doit_plugin.commands.
IMPORTED = {
    *("etbuild.build_engine", "etbuild.build_engine.noop", "etbuild.doit_plugin.ctrl_c"),
    *("etbuild.errors", "etbuild.system"),
    *(f"etbuild.system.{name}" for name in ("digests", "environment", "files", "tools")),
}


def test_a_cached_output_equals_that_of_the_full_decision(standard: FakeProject) -> None:
    """Text, exit code, and nothing ran; the first decides in full and the second does not."""
    first = standard.doit()
    stored = entries(standard)
    second = standard.doit()

    assert {line.split()[0] for line in first.stdout.splitlines()} == ALL
    assert (second.stdout, second.stderr, second.returncode) == (first.stdout, "", 0) and first.returncode == 0
    assert len(stored) == 1


def test_an_entry_is_printed_as_it_was_stored(standard: FakeProject) -> None:
    """As long as nothing changed, again and again."""
    planted(standard)

    assert [standard.doit().stdout for _ in range(2)] == [PLANTED, PLANTED]


def test_nothing_of_the_full_decision_is_imported(standard: FakeProject) -> None:
    """Of ours only what compares, and what writes its cache files."""
    standard.doit()

    command = [sys.executable, "-X", "importtime", *standard.command()]
    done = subprocess.run(command, cwd=standard.root, env=standard.environment, capture_output=True, text=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert {name for name in modules if name.split(".")[0] == "etbuild"} == IMPORTED


def test_a_dodo_without_a_project_does_not_pay_for_ours(tmp_path: Path) -> None:
    """doit's own users in the same environment: nothing of the full decision, no entry, doit's own database."""
    (tmp_path / "dodo.py").write_text(
        "DOIT_CONFIG = {'backend': 'json'}\ndef task_mine():\n    return {'actions': []}\n"
    )

    command = [sys.executable, "-X", "importtime", *FakeProject(tmp_path / "other").command()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    full = {"etbuild.tasks", "etbuild.doit_plugin.project", "etbuild.doit_plugin.tasks"}

    assert (done.returncode, "doit.runner" in modules, modules & full) == (0, True, set())
    assert not (tmp_path / "build").exists()


def test_our_own_source_is_part_of_an_entry(standard: FakeProject) -> None:
    """Every module of ours that the decision used, the sources of the steps, and the tables."""
    paths = json.loads(planted(standard).read_text())["paths"]
    modules = [
        *(f"doit_plugin/{name}" for name in ("commands", "tasks", "reporter")),
        *(f"build_engine/{name}" for name in ("noop", "execute")),
        *("plan/plan", "steps/vela", "steps/report"),
    ]

    assert {str(PACKAGE / f"{name}.py") for name in modules} | {str(PACKAGE / "hardware/npus.yaml")} <= set(paths)


def test_each_command_has_its_own_entry(standard: FakeProject) -> None:
    """-n 2, one recipe, another reporter: none prints the entry of `doit`."""
    planted(standard)

    two = standard.doit("-n", "2")
    one = standard.doit("vela:net")
    other = standard.doit("-r", "zero")

    assert {line.split()[0] for line in two.stdout.splitlines()} == ALL
    assert one.stdout.splitlines()[-1] == "vela:net@ethos-u55-128                       up to date"
    assert (other.stdout, other.returncode) == ("", 0)
    assert len(entries(standard)) == 3


@pytest.mark.parametrize("words", [("-o", "lines"), ("-f", "./dodo.py"), ("-d", "."), ("-k",), ("why",), ("list",)])
def test_no_other_output_is_stored(standard: FakeProject, words: tuple[str, ...]) -> None:
    """Of an output file, of another dodo.py, of other commands."""
    done = standard.doit(*words)

    assert done.returncode == 0, done.stderr
    assert entries(standard) == []


@pytest.mark.parametrize("more", ["print('mine')", "def task_mine():\n    return {'actions': None}"])
def test_nothing_is_stored_for_a_users_own_dodo(standard: FakeProject, more: str) -> None:
    """It may do anything."""
    (standard.root / "dodo.py").write_text(f"{STANDARD}\n{more}\n")

    assert standard.doit().returncode == 0
    assert entries(standard) == []


def test_the_standard_dodo_may_be_commented(tmp_path: Path) -> None:
    """Its syntax tree counts; a file that is not Python is not standard."""
    ours = (STANDARD, f'"""Mine."""\n# A comment.\n{noop.DODO}', noop.DODO)
    found = []
    for text in (*ours, "", "x = (", f"{noop.DODO}x = 1"):
        (tmp_path / "dodo.py").write_text(text)
        found.append(noop.is_standard(str(tmp_path / "dodo.py")))

    assert found == [True, True, True, False, False, False]


def test_a_folder_that_cannot_be_written_costs_nothing(standard: FakeProject) -> None:
    """A file has its name."""
    (standard.root / STATE / "noop").write_text("")

    done = standard.doit()

    assert (done.returncode, done.stderr) == (0, "")


def is_stored(name: str, evidence: Evidence) -> bool:
    noop.store(name, "text", evidence)
    return noop.lookup(name) == "text"


def test_nothing_is_stored_about_a_file_that_was_just_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may change again under the same stat."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    stats = {"file": stat_of("file"), "none": stat_of("none")}
    written = Path("file").stat().st_ctime_ns

    assert not is_stored("early", Evidence(stats, {}, written + AT_REST_NS - 1))
    assert is_stored("late", Evidence(stats, {}, written + AT_REST_NS))


def test_sixteen_entries_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is deleted."""
    monkeypatch.chdir(tmp_path)
    for number in range(noop.MOST_ENTRIES + 1):
        noop.store(str(number), "text", Evidence({}, {}))
        os.utime(noop._file(str(number)), ns=(number, number))
    noop.store("last", "text", Evidence({}, {}))

    assert len(list(noop.FOLDER.iterdir())) == noop.MOST_ENTRIES
    assert [noop.lookup(command) for command in ("0", "1", "2", "last")] == [None, None, "text", "text"]


def test_a_reader_that_closes_its_pipe_sees_no_traceback(standard: FakeProject) -> None:
    """`doit | head`, when the output comes from the cache."""
    planted(standard)
    process = subprocess.Popen(
        standard.command(), cwd=standard.root, env=standard.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()

    assert (process.stderr.read(), process.wait()) == (b"", 141)
