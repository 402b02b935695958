"""A patch is built by a real doit within the budget; what cannot be measured says why. The steps are fakes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import ClassVar

import pytest
from built_project import DODO, FakeProject

from etbuild.lint import trial
from etbuild.lint.finding import Edit
from etbuild.lint.trial import Trials

EDIT = Edit("recipes/models/net.py", 1, 1, 1, 2, "##")
OF = ("ethos-u55-128", "tosa-u55")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    made = FakeProject(tmp_path / "project")
    monkeypatch.setattr(trial, "DODO", DODO)
    for name in ("FAKE_CONTROL", "FAKE_RAN"):
        monkeypatch.setenv(name, made.environment[name])
    monkeypatch.chdir(made.root)
    return made


class OverBudget(subprocess.Popen[bytes]):
    """A process whose first wait ends without it, as soon as `ran` says that a step of it runs."""

    ran: ClassVar[Path]
    asked: ClassVar[list[str]]

    def wait(self, timeout: float | None = None) -> int:
        while not self.asked and self.poll() is None:
            if self.ran.exists() and self.ran.stat().st_size:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            time.sleep(0.02)
        return super().wait(timeout)

    def terminate(self) -> None:
        self.asked.append("terminate")
        super().terminate()

    def kill(self) -> None:
        self.asked.append("kill")
        super().kill()


def trials(project: FakeProject, budget_s: float) -> Trials:
    return Trials("net", ("recipes/net.yaml",), Path(), project.root / "build/trials", budget_s)


def test_without_time_left_nothing_is_built(project: FakeProject) -> None:
    """And the finding says so."""
    assert trials(project, 0).effect([EDIT], *OF).how == "not measured: the budget is used up"
    assert project.ran() == set()


def test_a_build_that_takes_too_long_is_ended_with_its_steps(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget ends while a step runs, however long this machine takes to start it: doit ends when it is told to,
    and no process of it is left."""
    project.behave({"export:net": "talk"})
    OverBudget.ran, OverBudget.asked = project.root / "ran", []
    monkeypatch.setattr(trial.subprocess, "Popen", OverBudget)
    monkeypatch.setattr(trial, "GRACE_S", 300.0)

    effect = trials(project, 600).effect([EDIT], *OF)

    assert effect.how == "not measured: the budget is used up"
    assert (project.ran(), OverBudget.asked) == ({"export:net"}, ["terminate"])
    ours = f"{project.root}/build/trials/0"
    assert [process for process in Path("/proc").iterdir() if ours in folder_of(process)] == []


def folder_of(process: Path) -> str:
    """The current folder of a process; "" for what is none."""
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def test_a_build_that_fails_is_named_by_its_message(project: FakeProject) -> None:
    """The model without the patch fails already, so the patch is not built."""
    project.behave({"lower:net@tosa-u55": "nothing"})

    effect = trials(project, 60).effect([EDIT], *OF)

    assert effect.how.startswith("not measured: the build failed: ")
    assert "lower:net@tosa-u55" in effect.how
    assert [folder.name for folder in (project.root / "build/trials").iterdir() if folder.is_dir()] == ["0"]
