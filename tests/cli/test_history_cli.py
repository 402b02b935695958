"""`etbuild history`: figures in the notes of commits, drawn over them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from built_project import FakeProject
from test_compare_cli import layer, write_build
from test_reproduce import git

from etbuild.cli.main import main
from etbuild.report.history import Point, history_text

FOLDER = Path("build/net/ethos-u55-128")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one commit."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_DATE", "2026-01-02T00:00:00Z")
    (tmp_path / "dodo.py").write_text("")
    git(tmp_path, "init", "-q")
    commit(tmp_path, "first")
    return tmp_path


def commit(folder: Path, subject: str) -> str:
    with (folder / "dodo.py").open("a") as file:
        file.write("#\n")
    git(folder, "add", "dodo.py")
    git(folder, "commit", "-q", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def build(**changed: Any) -> None:
    """Write a build in place of the one before."""
    shutil.rmtree("build", ignore_errors=True)
    write_build(FOLDER, **changed)


def test_figures_are_recorded_for_a_commit_and_drawn_over_all(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In git's notes: no file of the project changes, and git needs no user."""
    commits = [git(repository, "rev-parse", "HEAD")]
    for number, sram in enumerate((2000, 2000, 2200, 1000)):
        if number:
            commits.append(commit(repository, f"change {number}"))
        build(sram=sram, layers=[layer("a", 1000 + 100 * number)])
        assert main(["history", "net", "--record"]) == 0
    capsys.readouterr()

    assert main(["history", "net", "--figure", "sram", "--figure", "cycles", "--figure", "pte"]) == 0

    short = [one[:9] for one in commits]
    assert capsys.readouterr().out == (
        f"net@ethos-u55-128  4 commits: {short[0]} of 2026-01-02 to {short[3]} of 2026-01-02\n"
        "        first   last   change\n"
        "sram    2,000  1,000  -50.0 %    ▇▇█▁\n"
        "cycles  1,000  1,300  +30.0 %    ▁▃▆█\n"
        f"always: pte {(FOLDER / 'model.pte').stat().st_size:,}\n"
        f"    {short[1]}  2026-01-02  cycles +10.0 %  change 1\n"
        f"    {short[2]}  2026-01-02  sram +10.0 %, cycles +9.1 %  change 2\n"
        f"    {short[3]}  2026-01-02  sram -54.5 %, cycles +8.3 %  change 3\n"
    )
    assert git(repository, "status", "--porcelain", "--", "dodo.py") == ""


def test_a_note_keeps_what_it_has_of_other_recipes(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each recipe records its own; the same figures write nothing."""
    build()
    assert main(["history", "net", "--record"]) == 0
    Path("build/net").rename("build/other")
    assert main(["history", "other", "--record"]) == 0
    before = git(repository, "rev-parse", "refs/notes/etbuild")
    assert main(["history", "other", "--record"]) == 0

    assert git(repository, "rev-parse", "refs/notes/etbuild") == before
    capsys.readouterr()
    assert main(["history", "net", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["commit"] for one in found["commits"]] == [git(repository, "rev-parse", "HEAD")]
    assert found["commits"][0]["variants"]["ethos-u55-128"]["sram"] == {"value": 2000, "unit": "bytes"}


def test_what_is_not_committed_is_drawn_and_not_recorded(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures would be those of no commit."""
    build()
    assert main(["history", "net", "--record"]) == 0
    (repository / "dodo.py").write_text("# changed")
    build(sram=2100)
    capsys.readouterr()

    assert main(["history", "net", "--record", "--figure", "sram"]) == 0

    printed = capsys.readouterr().out
    assert "sram  2,000  2,100  +5.0 %    ▁█\n" in printed
    assert "    uncommitted  now  sram +5.0 %\n" in printed
    assert printed.endswith("not recorded: not as in the commit: dodo.py\n")
    assert main(["history", "net"]) == 0
    assert "1 commit: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("net",), "net: got no commit with its figures, wanted one\n    doit history:net builds it, and records "),
        (("net", "--record"), "build/net: got no manifest.json below it, wanted a build\n    doit report:net\n"),
        (("net", "--figure", "srm"), "--figure: got 'srm', wanted one of pte, sram, "),
    ],
)
def test_what_has_no_history_is_a_usage_error(
    repository: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["history", *arguments]) == 2

    assert capsys.readouterr().err.startswith(message)


def test_outside_of_a_repository_there_is_no_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["history", "net"]) == 2

    wanted = f"{tmp_path}: got no git repository, wanted one: figures belong to its commits\n"
    assert capsys.readouterr().err == wanted


def test_a_note_of_another_format_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody's text is overwritten."""
    git(repository, "notes", "--ref=etbuild", "add", "-m", "mine")
    build()

    assert main(["history", "net", "--record"]) == 1

    message = "the note: got another text, wanted the figures that etbuild writes into it\n"
    assert capsys.readouterr().err == message
    assert git(repository, "notes", "--ref=etbuild", "show") == "mine"


def test_a_long_line_shows_its_last_points() -> None:
    """40 of them, from the lowest to the highest of those."""
    points = [
        Point(f"{number:040}", 0, "", {"v": {"sram": {"value": number % 8, "unit": "bytes"}}}) for number in range(100)
    ]

    line = next(line for line in history_text("net", points).splitlines() if line.startswith("sram"))

    assert line.split()[-1] == "▅▆▇█▁▂▃▄" * 5


def test_doit_history_builds_the_report_first(tmp_path: Path) -> None:
    """`doit history:R`; outside of a repository it fails after the build."""
    project = FakeProject(tmp_path / "project")

    done = project.doit("history:net")

    assert done.returncode == 1
    assert "report:net" in project.ran()
    assert "got no git repository, wanted one: figures belong to its commits\n" in done.stderr
