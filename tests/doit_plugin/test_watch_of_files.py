"""`doit watch` builds at once, and again after a change of a file of the project."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from built_project import FakeProject

from etbuild.doit_plugin.watch import is_watched, watch


def test_a_change_is_built_and_ctrl_c_ends_it(project: FakeProject) -> None:
    """The file is named; what doit itself writes is no change."""
    command = [sys.executable, "-m", "doit", "watch", "lower"]
    process = subprocess.Popen(
        command, cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    before = list(until_watching(lines))

    (project.root / "recipes/data/calibration.npz").write_bytes(b"others")

    after = list(until_watching(lines))
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    timer.cancel()
    assert [line for line in before if " ran " in line] == []
    assert after[0] == "recipes/data/calibration.npz has changed\n"
    assert [line.split()[0] for line in after if " ran " in line] == ["quantize:net@tosa-u55", "lower:net@tosa-u55"]
    assert (process.returncode, rest) == (0, "\n")


def until_watching(lines: object) -> list[str]:
    found: list[str] = []
    for line in lines:  # type: ignore[attr-defined]
        if line == "watching; Ctrl-C ends\n":
            break
        found.append(line)
    return found


@pytest.mark.parametrize(
    ("path", "watched"),
    [
        ("recipes/net.yaml", True),
        ("models/net.py", True),
        ("builds/x", True),
        ("build/net/report.json", False),
        (".git/index", False),
        ("models/__pycache__/net.pyc", False),
        ("models/.net.py.swp", False),
        ("models/net.py~", False),
    ],
)
def test_files_of_builds_editors_and_git_are_not_watched(path: str, watched: bool) -> None:
    """All others are: doit decides what a change means."""
    assert is_watched(Path("/project"), Path("/project") / path) == watched


def test_a_folder_without_a_project_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would never build."""
    assert watch(tmp_path, []) == 2
    assert capsys.readouterr().err == f"watch: got no dodo.py in {tmp_path}, wanted a project\n    cd to it\n"
