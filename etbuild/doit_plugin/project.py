"""The one adapter to doit: the plan as doit tasks. doit orders and selects; whether a step runs is decided here.

doit's own checks would trust mtime first, ignore a step's arguments, look at targets only for existence, keep what a
killed action left, and forget what ran when it is killed itself. So each task asks `decision.reasons` (its `uptodate`),
its action asks again under the step's lock, and what doit keeps in its own database decides nothing.
"""

from __future__ import annotations

import atexit
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from doit.action import create_action
from doit.dependency import FileChangedChecker, JsonDB
from doit.exceptions import TaskFailed
from doit.task import Task

from etbuild.build_engine.noop import stamp_of
from etbuild.build_engine.workspace import Outcome, Workspace
from etbuild.doit_plugin.reporter import StepReporter
from etbuild.errors import EtbuildError, MissingTool
from etbuild.plan.plan import Plan, load_plan
from etbuild.system.atomic import write_whole

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Reason
    from etbuild.build_engine.step import Step

KINDS = {
    "build": "everything that a recipe asks for",
    "export": "the model as an ATen graph (torch.export)",
    "quantize": "the graph with integer arithmetic (PT2E)",
    "lower": "the edge program, one TOSA graph a delegate, and why what stayed on the CPU",
    "golden": "expected outputs for the test vectors",
    "vela": "the NPU's command streams, and Vela's estimates",
    "pte": "model.pte and manifest.json",
    "header": "the model for C: model.h and model.S",
    "firmware": "an image for a board, with the test vectors in it",
    "run": "the model run on its vectors, compared with golden",
    "report": "report.json of a recipe",
    "sweep": "the variants of a recipe side by side, and which are best; --fit SRAM=2M,FLASH=4M",
}
# Kinds that are asked for by name alone: build:R goes without them.
ON_REQUEST = frozenset({"sweep"})


def _limits(text: str) -> str:
    """The value of --fit in the one form that its step keeps."""
    from etbuild.steps import sweep

    try:
        return sweep.limits_text(sweep.limits(text))
    except EtbuildError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


# What doit's command line may say of a step, beside its name.
PARAMETERS = {
    "sweep": [
        {
            "name": "fit",
            "long": "fit",
            "default": "",
            "type": _limits,
            "help": "show those that fit: SRAM=2M,FLASH=4M (also PTE, DRAM)",
        }
    ]
}


@dataclass(frozen=True)
class StepTask:
    """One step as doit calls it."""

    project: Project
    step: Step

    def reasons(self, task: Any) -> tuple[Reason, ...]:
        return self.project.workspace.reasons(self._told(task))

    def run(self, task: Any) -> TaskFailed | None:
        """doit's action: None when the outputs are right."""
        gc.enable()
        try:
            outcome = self.project.workspace.run(self._told(task), self.project.forced)
        except EtbuildError as error:
            if isinstance(error, MissingTool):
                self.project.lacking = True
            return TaskFailed(str(error))
        except OSError as error:
            place = error.filename or self.step.name
            return TaskFailed(f"{place}: got {error.strerror or error}, wanted a file to be written\n    {DISK}")
        self.project.outcomes[self.step.name] = outcome
        return None

    def _told(self, task: Any) -> Step:
        """The step with what doit's command line says of it."""
        options = sorted((task.options or {}).items())
        words = [word for name, value in options if value for word in (f"--{name}", value)]
        return replace(self.step, argv=(*self.step.argv, *words)) if words else self.step

    def clean(self, dryrun: bool) -> None:
        for path in self.step.outputs:
            if (self.project.workspace.root / path).exists():
                print(f"{self.step.name}: removing {path}")
        if not dryrun:
            self.project.workspace.clean(self.step)


@dataclass(frozen=True, repr=False)
class UpToDate:
    """doit's question whether a step may be skipped."""

    # doit asks every check of every task for its signature; told here, it need not be worked out each time.
    __signature__: ClassVar[Signature] = Signature([Parameter("task", Parameter.POSITIONAL_OR_KEYWORD)])

    owner: StepTask

    def __call__(self, task: Any) -> bool:
        return not self.owner.reasons(task)

    def __repr__(self) -> str:
        """What `doit info` shows: where the answer is told in words."""
        return f"doit why {self.owner.step.name}"


DISK = "nothing is lost: make room or give write access, then build again"


class Project:
    """The recipes of one folder as doit tasks: `project = Project(__file__)` in its dodo.py is all.

    forced:   every step that doit selects runs (doit -a).
    lacking:  a step ended because the machine lacks something.
    outcomes: what became of each step of this run.
    said:     what the reporter has printed.
    idle:     nothing ran, failed or was ignored.
    """

    def __init__(self, dodo: str | Path, workspace: Workspace | None = None):
        self.root = Path(dodo).resolve().parent
        self.workspace = workspace or Workspace(self.root)
        self.forced = False
        self.lacking = False
        self.outcomes: dict[str, Outcome] = {}
        self.said: list[str] = []
        self.idle = True
        # On the instance: doit takes every object in a dodo.py that has the name, so also this class by its import.
        self.create_doit_tasks = self._create_doit_tasks
        atexit.register(self.workspace.processes.stop)

    @property
    def doit_config(self) -> dict[str, object]:
        """doit's DOIT_CONFIG for this project."""
        # Until a step runs nothing becomes garbage, and to look for it among all tasks costs a tenth of the time.
        gc.disable()
        state = self.workspace.state
        state.mkdir(parents=True, exist_ok=True)
        return {
            "default_tasks": ["build"],
            "reporter": type("Reporter", (StepReporter,), {"project": self}),
            "check_file_uptodate": _checker(self.workspace),
            "backend": "json",
            "dep_file": str(state / "doit.json"),
            "par_type": "thread",
            "verbosity": 0,
        }

    def _create_doit_tasks(self) -> Iterator[Task | dict[str, object]]:
        """doit's tasks: one a step, and groups a recipe, a variant and a kind."""
        try:
            plan = load_plan(self.root, self.workspace.digests, self.workspace.sources)
        except EtbuildError as error:
            print(error, file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        return self._tasks(plan)

    def _tasks(self, plan: Plan) -> Iterator[Task | dict[str, object]]:
        made = [*self._step_tasks(plan), *_groups(plan)]
        members: dict[str, list[str]] = {"build": [], **{step.kind: [] for step in plan.steps}}
        for task in made:
            members[task.subtask_of].append(task.name)
        for kind, names in members.items():
            clean = [partial(self.workspace.clean_dead, plan.steps)] if kind == "build" else []
            yield Task(kind, None, task_dep=names, clean=clean, doc=KINDS.get(kind, kind), has_subtask=True)
        yield from made
        yield from self._debug_tasks(plan)

    def _debug_tasks(self, plan: Plan) -> Iterator[dict[str, object]]:
        """debug:R@V for each firmware, and debug:R for the first of a recipe; they run until they are ended."""
        firmware = [step for step in plan.steps if step.kind == "firmware"]
        first: dict[str, str] = {}
        if firmware:
            yield {"basename": "debug", "name": None, "doc": "a firmware in QEMU, stopped, with a gdb server"}
        for step in firmware:
            task = f"{step.recipe}@{step.part}"
            first.setdefault(step.recipe, f"debug:{task}")
            doc = f"{task} in QEMU, stopped, with a gdb server"
            action = partial(_debug, self.root, step)
            yield {"basename": "debug", "name": task, "actions": [action], "task_dep": [step.name], "doc": doc}
        for recipe, task in first.items():
            yield {"basename": "debug", "name": recipe, "actions": None, "task_dep": [task], "doc": f"as {task}"}

    def _step_tasks(self, plan: Plan) -> Iterator[Task]:
        # What a step tells the user (a lost server, a full cache) is seen when it happens.
        model = Task("step", (), io={"capture": False})
        producers = {path: step.name for step in plan.steps for path in step.writes}
        for step in plan.steps:
            task = StepTask(self, step)
            made = _like(
                model,
                name=step.name,
                subtask_of=step.kind,
                doc=KINDS.get(step.kind, step.kind),
                _actions=[task.run],
                uptodate=[(UpToDate(task), [], {})],
                file_dep=set(step.reads),
                task_dep=list(dict.fromkeys(producers[path] for path in step.reads if path in producers)),
                targets=list(step.writes),
                params=PARAMETERS.get(step.kind, ()),
            )
            made.clean_actions = [create_action(task.clean, made, "clean")]
            yield made


def _like(model: Task, **own: object) -> Task:
    """Another task, without doit's constructor: it checks twenty attributes, which adds up over thousands of tasks."""
    task = Task.__new__(Task)
    task.__dict__ = {**model.__dict__, "values": {}, "value_savers": [], **own}
    return task


def _groups(plan: Plan) -> Iterator[Task]:
    """kind:R where a recipe has a step of that kind for each variant, build:R, and build:R@V for each variant."""
    model = Task("group", None)
    kinds: dict[str, list[str]] = {}
    # build:R goes without what is asked for by name alone.
    recipes: dict[str, list[Step]] = {}
    for step in plan.steps:
        if step.part:
            kinds.setdefault(f"{step.kind}:{step.recipe}", []).append(step.name)
        if step.kind not in ON_REQUEST:
            recipes.setdefault(step.recipe, []).append(step)
    for name, members in kinds.items():
        kind, _, recipe = name.partition(":")
        yield _like(model, name=name, subtask_of=kind, task_dep=members, doc=f"{kind} of {recipe}")
    for outline in plan.outlines:
        name, own = f"build:{outline.name}", recipes[outline.name]
        for variant, profile in outline.profiles.items():
            members, doc = (
                [step.name for step in own if step.part in (variant, profile)],
                f"{outline.name} for {variant}",
            )
            yield _like(model, name=f"{name}@{variant}", subtask_of="build", task_dep=members, doc=doc)
        members, doc = [step.name for step in own], f"{outline.name} for {', '.join(outline.profiles)}"
        yield _like(model, name=name, subtask_of="build", task_dep=members, doc=doc)


class Database(JsonDB):  # type: ignore[misc]
    """doit's JSON file, written whole or not at all, and only when something in it changed.

    looked: its stamp before it was read.
    """

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None):
        self._changed = False
        self.looked = stamp_of(name)
        super().__init__(name, codec, module_name=module_name)

    def set(self, task_id: str, dependency: str, value: object) -> None:
        # As JSON has it: doit saves every group at every run, with no dependencies.
        value = list(value) if isinstance(value, tuple) else value
        if self.get(task_id, dependency) != value:
            self._changed = True
            super().set(task_id, dependency, value)

    def remove(self, task_id: str) -> None:
        self._changed = True
        super().remove(task_id)

    def dump(self) -> None:
        """A disk that refuses costs a look at every step the next time."""
        if not self._changed:
            return
        with suppress(OSError):
            write_whole(Path(self.name), self.codec.encode(self._db))


def _debug(root: Path, step: Step) -> TaskFailed | None:
    board = step.argv[step.argv.index("--board") + 1]
    command = [sys.executable, "-m", "etbuild.firmware.gdb", "--elf", os.fspath(step.outputs[0]), "--board", board]
    code = subprocess.run(command, cwd=root, check=False).returncode
    return TaskFailed(f"debug: QEMU ended with exit code {code}") if code else None


def _checker(workspace: Workspace) -> type[FileChangedChecker]:
    """doit's view of file dependencies by content, for the tasks that a dodo.py has besides ours too."""

    class ContentChecker(FileChangedChecker):  # type: ignore[misc]
        # What the decision has just looked at is there: no second look at each file of each step.
        def exists(self, file_path: str) -> bool:
            return workspace.digests.holds(file_path) or bool(super().exists(file_path))

        def info(self, file_path: str) -> os.stat_result | None:
            return None if workspace.digests.holds(file_path) else super().info(file_path)

        def check_modified(self, file_path: str, file_stat: os.stat_result | None, state: str) -> bool:
            return workspace.digests.of(file_path) != state

        def get_state(self, dep: str, current_state: str | None) -> str | None:
            return workspace.digests.of(dep)

    return ContentChecker
