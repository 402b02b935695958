"""The plan as doit tasks: one a step, and groups for recipes, variants and kinds. It runs nothing."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from doit.exceptions import TaskFailed
from doit.task import Task

from etbuild.doit_plugin.index import remove_index
from etbuild.doit_plugin.view import view_tasks
from etbuild.errors import EtbuildError, MissingTool, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.build_engine.decision import Reason
    from etbuild.build_engine.execute import Executor
    from etbuild.build_engine.step import Step, StepOption
    from etbuild.doit_plugin.prediction import Forecast, Prediction
    from etbuild.doit_plugin.progress import Progress
    from etbuild.plan.plan import Plan

BUILD = "everything that a recipe asks for"
DISK = "nothing is lost: make room or give write access, then build again"


@dataclass
class SharedState:
    """State that all tasks of a project share.

    forced: every step that doit selects runs (doit -a).
    broken: the recipes that could not be read, by name.
    files:  that each recipe was read from, by its name.
    """

    executor: Executor
    progress: Progress
    forced: bool = False
    broken: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def remember(self) -> None:
        """Add what this run of doit did to the history of builds, if it did anything."""
        progress = self.progress
        if progress.steps:
            from etbuild.build_engine import history

            build = history.Build(progress.begin, time.time(), tuple(progress.steps))
            history.append(self.executor.workspace.state, build)

    def write_traces(self) -> None:
        """For each step trace of this run: the trace of its recipe's build and run; its path is printed."""
        names = [name for name in self.progress.outcomes if name.startswith("trace:")]
        if names:
            from etbuild.doit_plugin.traces import write_trace

            for name in names:
                try:
                    print(write_trace(self.executor.workspace, name.partition(":")[2]))
                except (OSError, ValueError, KeyError) as error:
                    print(f"{name}: got {error}, wanted the trace of a run to add the build to", file=sys.stderr)

    @cached_property
    def prediction(self) -> Prediction:
        """Of all its steps."""
        from etbuild.doit_plugin.prediction import Prediction

        return Prediction(self.executor.workspace)


@dataclass(frozen=True)
class StepTask:
    """One step as doit's task: its check and its action."""

    shared: SharedState
    step: Step

    def reasons(self, task: Any) -> tuple[Reason, ...]:
        return self.shared.executor.workspace.reasons(self._with_options(task))

    def forecast(self, task: Any) -> Forecast:
        """What a build would do with the step; those before it have been asked for."""
        return self.shared.prediction.of(self._with_options(task))

    def run(self, task: Any) -> TaskFailed | None:
        """doit's action: None when the outputs are up to date."""
        gc.enable()
        begin = time.time()
        failed = self._run(task)
        outcome = self.shared.progress.outcomes.get(self.step.name)
        if failed or (outcome and outcome.why):
            from etbuild.build_engine.history import StepRun

            how, why, cache = ("failed", (), "") if failed or not outcome else (outcome.how, outcome.why, outcome.cache)
            made = StepRun(self.step.name, how, begin, time.time(), tuple(map(str, why)), cache)
            self.shared.progress.steps.append(made)
        return failed

    def _run(self, task: Any) -> TaskFailed | None:
        progress = self.shared.progress
        try:
            outcome = self.shared.executor.run(self._with_options(task), self.shared.forced)
        except EtbuildError as error:
            if isinstance(error, MissingTool):
                progress.missing_tool = True
            if isinstance(error, UsageError):
                progress.usage_error = True
            return TaskFailed(str(error))
        except OSError as error:
            file = error.filename or self.step.name
            return TaskFailed(f"{file}: got {error.strerror or error}, wanted a file to be written\n    {DISK}")
        progress.outcomes[self.step.name] = outcome
        return None

    def clean(self, dryrun: bool) -> None:
        workspace = self.shared.executor.workspace
        for path in self.step.outputs:
            if (workspace.root / path).exists():
                print(f"{self.step.name}: removing {path}")
        if not dryrun:
            workspace.clean(self.step)

    def _with_options(self, task: Any) -> Step:
        """The step with the options from doit's command line."""
        if not task.options:
            return self.step
        options = sorted(task.options.items())
        words = [word for name, value in options if value for word in (f"--{name}", value)]
        return self.step._replace(argv=(*self.step.argv, *words)) if words else self.step


@dataclass(frozen=True, repr=False)
class UpToDate:
    """doit's question whether a step may be skipped."""

    # doit inspects the signature of every check of every task; given here, it is not computed each time.
    __signature__: ClassVar[Signature] = Signature([Parameter("task", Parameter.POSITIONAL_OR_KEYWORD)])

    owner: StepTask

    def __call__(self, task: Any) -> bool:
        try:
            return not self.owner.reasons(task)
        except OSError:  # A file that cannot be read: the action says which.
            return False

    def __repr__(self) -> str:
        """What `doit info` shows: the command that explains the answer."""
        return f"doit why {self.owner.step.name}"


class _CleanAction(NamedTuple):
    """What `_OwnTask.clean` calls; doit's own action would be checked for each step of each build."""

    py_callable: Callable[..., None]
    args: tuple[object, ...] = ()


class _OwnTask(Task):  # type: ignore[misc]
    """A task of ours. doit shows an action before it cleans; ours say themselves what they remove."""

    def clean(self, outstream: Any, dryrun: bool) -> None:
        for action in self.clean_actions:
            action.py_callable(*action.args, dryrun=dryrun)


def tasks_of(plan: Plan, shared: SharedState) -> Iterator[Task | dict[str, object]]:
    """All tasks of a plan."""
    workspace = shared.executor.workspace
    made = [*_step_tasks(plan, shared), *_groups(plan, shared)]
    members: dict[str, list[str]] = {"build": [], **{step.kind: [] for step in plan.steps}}
    for task in made:
        members[task.subtask_of].append(task.name)
    for name, names in members.items():
        # What a broken recipe has built is not stale.
        clean = [partial(workspace.clean_stale, plan.steps)] if name == "build" and not plan.broken else []
        clean += [partial(remove_index, workspace.root)] if name == "build" else []
        doc = BUILD if name == "build" else workspace.kinds[name].help
        yield _OwnTask(name, None, task_dep=names, clean=clean, doc=doc, has_subtask=True)
    yield from made
    yield from _debug_tasks(plan, workspace.root)
    yield from _history_tasks(plan, workspace.root)
    yield from view_tasks(plan, workspace.root, shared.progress)


def _step_tasks(plan: Plan, shared: SharedState) -> Iterator[Task]:
    # Messages of a step (a lost server, a full cache) are shown when they happen.
    model = _OwnTask("step", (), io={"capture": False})
    kinds = shared.executor.workspace.kinds
    producers = {path: step.name for step in plan.steps for path in step.outputs}
    for step in plan.steps:
        task = StepTask(shared, step)
        kind = kinds[step.kind]
        made = _like(
            model,
            name=step.name,
            subtask_of=step.kind,
            doc=kind.help,
            _actions=[task.run],
            uptodate=[(UpToDate(task), [], {})],
            file_dep=set(step.inputs),
            task_dep=list(dict.fromkeys(producers[path] for path in step.inputs if path in producers)),
            targets=list(step.outputs),
            params=tuple(_parameter(option) for option in kind.options),
            clean_actions=[_CleanAction(task.clean)],
        )
        yield made


def _parameter(option: StepOption) -> dict[str, object]:
    """An option of doit's command line; a wrong value ends the program with its message."""

    def normalised(text: str) -> str:
        try:
            return option.normalise(text)
        except EtbuildError as error:
            print(error, file=sys.stderr)
            raise SystemExit(error.exit_code) from None

    return {"name": option.name, "long": option.name, "default": "", "type": normalised, "help": option.help}


def _like(model: Task, **own: object) -> Task:
    """Another task, without doit's constructor: its checks of twenty attributes add up over thousands of tasks."""
    task = Task.__new__(type(model))
    task.__dict__ = {**model.__dict__, "values": {}, "value_savers": [], **own}
    return task


def _groups(plan: Plan, shared: SharedState) -> Iterator[Task]:
    """kind:R where a recipe has several steps of that kind, build:R, and build:R@V for each variant."""
    model = _OwnTask("group", None)
    kinds: dict[str, list[str]] = {}
    # build:R does not include steps on request.
    recipes: dict[str, list[tuple[str, str]]] = {}
    on_request = {kind.name for kind in shared.executor.workspace.kinds.values() if kind.on_request}
    for step in plan.steps:
        group, _, part = step.name.partition("@")
        kind, _, recipe = group.partition(":")
        if part:
            kinds.setdefault(group, []).append(step.name)
        if kind not in on_request:
            recipes.setdefault(recipe, []).append((step.name, part))
    for name, members in kinds.items():
        kind, _, recipe = name.partition(":")
        yield _like(model, name=name, subtask_of=kind, task_dep=members, doc=f"{kind} of {recipe}")
    for outline in plan.outlines:
        name, own = f"build:{outline.name}", recipes[outline.name]
        for variant, profile in outline.profiles.items():
            members = [one for one, part in own if part in (variant, profile)]
            doc = f"{outline.name} for {variant}"
            yield _like(model, name=f"{name}@{variant}", subtask_of="build", task_dep=members, doc=doc)
        members, doc = [one for one, _ in own], f"{outline.name} for {', '.join(outline.profiles)}"
        yield _like(model, name=name, subtask_of="build", task_dep=members, doc=doc)


def _debug_tasks(plan: Plan, root: Path) -> Iterator[dict[str, object]]:
    """debug:R@V for each firmware, and debug:R for the first of a recipe; they run until the user ends them."""
    firmware = [step for step in plan.steps if step.kind == "firmware"]
    first: dict[str, str] = {}
    if firmware:
        yield {"basename": "debug", "name": None, "doc": "a firmware in QEMU, stopped, with a gdb server"}
    for step in firmware:
        task = f"{step.recipe}@{step.part}"
        first.setdefault(step.recipe, f"debug:{task}")
        doc = f"{task} in QEMU, stopped, with a gdb server"
        action = partial(_debug, root, step)
        yield {"basename": "debug", "name": task, "actions": [action], "task_dep": [step.name], "doc": doc}
    for recipe, task in first.items():
        yield {"basename": "debug", "name": recipe, "actions": None, "task_dep": [task], "doc": f"as {task}"}


def _debug(root: Path, step: Step) -> TaskFailed | None:
    command = [sys.executable, "-m", "etbuild.firmware.gdb", "--elf", os.fspath(step.outputs[0])]
    for option in ("--board", "--driver", "--npu"):
        if option in step.argv:
            command += [option, step.argv[step.argv.index(option) + 1]]
    code = subprocess.run(command, cwd=root, check=False).returncode
    return TaskFailed(f"debug: QEMU ended with exit code {code}") if code else None


def _history_tasks(plan: Plan, root: Path) -> Iterator[dict[str, object]]:
    """history:R for each recipe: its report, then its figures over the commits; they always run."""
    if plan.steps:
        yield {"basename": "history", "name": None, "doc": "the figures of a recipe over the commits, in git notes"}
    for step in plan.steps:
        if step.kind == "report":
            action = partial(_history, root, step.recipe)
            doc = f"{step.recipe} over the commits"
            yield {"basename": "history", "name": step.recipe, "actions": [action], "task_dep": [step.name], "doc": doc}


def _history(root: Path, recipe: str) -> TaskFailed | None:
    command = [sys.executable, "-m", "etbuild.cli.main", "history", recipe, "--record"]
    code = subprocess.run(command, cwd=root, check=False).returncode
    return TaskFailed(f"history: {recipe} ended with exit code {code}") if code else None
