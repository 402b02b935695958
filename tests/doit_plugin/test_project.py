"""doit's tasks, made without doit's constructor, equal those that it would make; its database is written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doit.dependency import JSONCodec
from doit.task import Task

from etbuild.build_engine.step import Step
from etbuild.doit_plugin.database import Database
from etbuild.doit_plugin.project import Project
from etbuild.doit_plugin.tasks import StepTask, UpToDate, tasks_of
from etbuild.plan.plan import Outline, Plan

EXPORT = Step("export:net", ("--x",), ("net.py",), ("build/net/exported.pt2",))
VELA = Step("vela:net@a", (), ("build/net/exported.pt2",), ("build/net/a/vela",))
SWEEP = Step("sweep:net", (), ("build/net/a/vela",), ("build/net/sweep.json",))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "dodo.py")


@pytest.fixture
def tasks(project: Project) -> dict[str, Any]:
    made = tasks_of(Plan((Outline("net", {"a": "tosa-u55"}),), (EXPORT, VELA, SWEEP)), project.shared)
    return {task.name: task for task in made if isinstance(task, Task)}


def attributes(task: Task) -> dict[str, object]:
    """All of them; an action by the function behind it."""
    actions = {
        "_actions": [action.__func__ for action in task._actions],
        "clean_actions": [action.py_callable.__func__ for action in task.clean_actions],
    }
    return {**vars(task), **actions, "io": vars(task.io)}


def test_a_step_is_the_task_that_doit_would_make(project: Project, tasks: dict[str, Any]) -> None:
    """From the same facts: an attribute that another doit adds is noticed here."""
    owner = StepTask(project.shared, VELA)
    wanted = Task(
        "vela:net@a",
        [owner.run],
        file_dep=["build/net/exported.pt2"],
        targets=["build/net/a/vela"],
        task_dep=["export:net"],
        uptodate=[UpToDate(owner)],
        clean=[owner.clean],
        subtask_of="vela",
        doc="the NPU's command streams, and Vela's estimates",
        io={"capture": False},
    )

    assert attributes(tasks["vela:net@a"]) == attributes(wanted)


def test_a_group_is_the_task_that_doit_would_make(tasks: dict[str, Any]) -> None:
    """A step on request is in no build."""
    wanted = Task("build:net@a", None, task_dep=["vela:net@a"], subtask_of="build", doc="net for a")

    assert attributes(tasks["build:net@a"]) == attributes(wanted)
    assert tasks["build:net"].task_dep == ["export:net", "vela:net@a"]
    assert {name for name, task in tasks.items() if task.has_subtask} == {"build", "export", "vela", "sweep"}
    assert tasks["vela"].task_dep == ["vela:net@a", "vela:net"]


def test_no_two_tasks_share_what_a_run_writes(tasks: dict[str, Any]) -> None:
    """Each has values and dependencies of its own."""
    first, second = tasks["export:net"], tasks["vela:net@a"]
    names = ("values", "value_savers", "task_dep", "file_dep", "targets", "uptodate")

    assert [name for name in names if getattr(first, name) is getattr(second, name)] == []


def database(folder: Path) -> Database:
    return Database(str(folder / "doit.json"), JSONCodec())


def test_the_database_is_written_when_something_changed(tmp_path: Path) -> None:
    """And not for values that it had; a tuple equals the list that JSON made of it."""
    first = database(tmp_path)
    first.set("task", "deps:", ("a", "b"))
    first.dump()
    written = (tmp_path / "doit.json").stat()
    second = database(tmp_path)
    second.set("task", "deps:", ("a", "b"))
    second.dump()

    assert json.loads((tmp_path / "doit.json").read_text()) == {"task": {"deps:": ["a", "b"]}}
    assert (tmp_path / "doit.json").stat() == written
    assert second.stat is not None and second.stat[3] == written.st_mtime_ns


def test_a_removal_is_written(tmp_path: Path) -> None:
    """Of a failed step."""
    first = database(tmp_path)
    first.set("task", "deps:", ())
    first.dump()
    second = database(tmp_path)
    second.remove("task")
    second.dump()

    assert (tmp_path / "doit.json").read_text() == "{}"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"task": 1}', b"\xff", b"[" * 100_000])
def test_a_damaged_database_is_written_again(tmp_path: Path, content: bytes) -> None:
    """It decides nothing: neither a message nor a traceback."""
    (tmp_path / "doit.json").write_bytes(content)
    found = database(tmp_path)
    found.set("task", "deps:", ("a",))
    found.dump()

    assert database(tmp_path).get("task", "deps:") == ["a"]


def test_a_database_that_cannot_be_written_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: no incomplete file is left."""

    def refuse(self: Path, text: str, encoding: str) -> int:
        raise OSError(28, "No space left on device")

    made = database(tmp_path)
    made.set("task", "deps:", ())
    monkeypatch.setattr(Path, "write_text", refuse)
    made.dump()

    assert list(tmp_path.iterdir()) == []
