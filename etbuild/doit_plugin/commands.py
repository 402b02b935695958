"""doit's commands run and forget with etbuild's additions, and `doit why`. In a dodo.py without a Project they work as
doit's own.

A build with nothing to do ends in `Run.parse_execute`; modules that only the full decision needs are imported later.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit import cmd_forget, cmd_run
from doit.cmd_base import DodoTaskLoader, DoitCmdBase, tasks_and_deps_iter
from doit.control import TaskControl

# First of all: a Ctrl-C while the others are imported is no error either.
import etbuild.doit_plugin.ctrl_c as ctrl_c
from etbuild.build_engine import noop
from etbuild.errors import MissingTool, UsageError
from etbuild.system import environment
from etbuild.system.digests import stat_of

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Reason
    from etbuild.doit_plugin.tasks import SharedState
    from etbuild.system.digests import StatKey


OPT_SCHEDULER = {
    "name": "scheduler",
    "long": "scheduler",
    "type": str,
    "default": "",
    "help": "steps run on the workers of this Dask scheduler, tcp://HOST:PORT [default: $ETBUILD_SCHEDULER]",
}
OPT_SINCE = {
    "name": "since",
    "long": "since",
    "type": str,
    "default": "",
    "help": "only recipes that read a file that has changed since this revision of git, e.g. origin/main...",
}
DODO = "dodo.py"
# doit's verbosity: nothing of what a task prints is kept back.
SHOW_OUTPUT = 2


class Run(cmd_run.Run):  # type: ignore[misc]
    """doit run. It also ends all running steps when it ends, and exits with 3 if a program or package is missing."""

    cmd_options = (*cmd_run.Run.cmd_options, OPT_SCHEDULER, OPT_SINCE)
    _scheduler = _since = ""
    sel_tasks: Any
    _cmdparser: Any
    # The key of the command, and the stat of dodo.py before doit read it; None if the output may not be cached.
    _command: str | None = None
    _dodo: StatKey | None = None

    @property
    def cmdparser(self) -> Any:
        """doit's parser. Plug-ins (databases, reporters) are searched for when it is first needed."""
        if self._cmdparser is None:
            self._cmdparser = super().cmdparser
            self._backends = super().get_backends() | {"json": self._database}
            self.reporters = super().get_reporters()
        return self._cmdparser

    def get_backends(self) -> dict[str, Any]:
        return {}

    def get_reporters(self) -> dict[str, Any]:
        return {}

    def parse_execute(self, in_args: list[str]) -> Any:
        return guarded(lambda: self._parse_execute(in_args))

    def _parse_execute(self, in_args: list[str]) -> Any:
        depends_on_git = any(word.partition("=")[0] == "--since" for word in in_args)
        if type(self.loader) is DodoTaskLoader and self.loader.task_opts is None and not depends_on_git:
            self._command = noop.command_key((in_args, self.opt_vals, self.config))
            text = noop.lookup(self._command)
            if text is not None:
                sys.stdout.write(text)
                gc.freeze()  # As below: Python ends now.
                return 0
        return super().parse_execute(_with_values(in_args))

    def execute(self, opt_values: Any, pos_args: list[str]) -> Any:
        self._scheduler, self._since = opt_values["scheduler"], opt_values["since"]
        if (opt_values["dodoFile"], opt_values["cwdPath"], opt_values["seek_file"]) == (DODO, None, False):
            self._dodo = stat_of(DODO)
        return super().execute(opt_values, pos_args)

    def _execute(self, **options: Any) -> int:
        from etbuild.doit_plugin.selection import require_known, require_recipes, require_sound, states_of

        states = states_of(self.task_list)
        for state in states:
            state.forced = options["always"]
            if state.forced:
                state.executor.workspace.digests.read_again()
            if options["verbosity"] == SHOW_OUTPUT:
                state.executor.launcher.show = state.progress.show
        if not states:
            require_recipes(self._projects(), self.sel_tasks)
        require_sound(states, self.sel_tasks)
        require_known({task.name for task in self.task_list}, self.task_list, self.sel_tasks, self.loader.cmd_names)
        if self._since and states:
            from etbuild.doit_plugin.since import narrowed

            self.sel_tasks = narrowed(states, self.task_list, self.sel_tasks, self._since)
            if not self.sel_tasks:
                self.outstream.write(f"no recipe that was asked for reads what has changed since {self._since}\n")
                return 0
        _end_on_sigterm()
        try:
            with environment.scheduler_chosen(self._scheduler):
                code: int = super()._execute(**options)
        except BrokenPipeError:
            code = _reader_closed()
        except KeyboardInterrupt:
            code = ctrl_c.report()
        finally:
            for state in states:
                state.executor.launcher.stop()
                state.executor.save()
                state.remember()
                state.write_traces()
        if code == 0 and len(states) == 1:
            self._store(*states)
        if states:
            # Python ends now, and would search all tasks for garbage: a tenth of a build with nothing to do.
            gc.freeze()
        if code == 1 and any(state.progress.usage_error for state in states):
            return UsageError.exit_code
        return MissingTool.exit_code if code == 1 and any(state.progress.missing_tool for state in states) else code

    # doit passes the options that the signature names.
    _execute.__signature__ = inspect.signature(cmd_run.Run._execute)  # type: ignore[attr-defined]

    def _database(self, *arguments: Any, **options: Any) -> Any:
        from doit.dependency import JsonDB

        if self._projects():
            from etbuild.doit_plugin.database import Database

            return Database(*arguments, **options)
        return JsonDB(*arguments, **options)

    def _projects(self) -> list[Any]:
        """The projects of the dodo.py."""
        ours: Any = sys.modules.get("etbuild.doit_plugin.project")
        namespace = getattr(self.loader, "namespace", None) or {}
        return [value for value in namespace.values() if ours and isinstance(value, ours.Project)]

    def _store(self, state: SharedState) -> None:
        """Put what was printed into the no-op cache, if nothing ran and dodo.py is a standard one."""
        from etbuild.doit_plugin.database import Database
        from etbuild.doit_plugin.index import INDEX

        database = self.dep_manager.backend
        progress = state.progress
        if not (progress.idle and progress.printed and self.outstream is sys.stdout):
            return
        if self._command is None or self._dodo is None or not isinstance(database, Database):
            return
        stats = {DODO: self._dodo, database.name: database.stat, str(INDEX): stat_of(str(INDEX))}
        evidence = state.executor.workspace.evidence(stats)
        here = state.executor.workspace.root == Path.cwd() and noop.is_standard(DODO) and stat_of(DODO) == self._dodo
        if here and evidence:
            noop.store(self._command, "".join(progress.printed), evidence)


class Forget(cmd_forget.Forget):  # type: ignore[misc]
    """doit forget: our record of the step goes too, so it runs next time."""

    def parse_execute(self, in_args: list[str]) -> Any:
        return guarded(lambda: super(Forget, self).parse_execute(in_args))

    def _execute(self, **options: Any) -> None:
        from etbuild.doit_plugin.selection import require_known, step_tasks

        tasks = {task.name: task for task in self.task_list}
        if options["forget_all"]:
            chosen: Iterable[Any] = self.task_list
        elif self.sel_default_tasks and options["forget_disable_default"]:
            chosen = ()
        else:
            require_known(set(tasks), self.task_list, self.sel_tasks)
            chosen = _with_groups(tasks, self.sel_tasks, options["forget_sub"])
        for step_task in step_tasks(chosen):
            step_task.shared.executor.workspace.forget(step_task.step)
        super()._execute(**options)

    _execute.__signature__ = inspect.signature(cmd_forget.Forget._execute)  # type: ignore[attr-defined]


class Why(DoitCmdBase):  # type: ignore[misc]
    """doit why: which steps would run now, and the differences that cause it."""

    name = "why"
    doc_purpose = "say what would run, and why: the key, old and new"
    doc_usage = "[TASK ...]"
    doc_description = "Without a task: all recipes. Exit code 0 when all is up to date, 1 when something would run."
    cmd_options = ()

    def parse_execute(self, in_args: list[str]) -> Any:
        return guarded(lambda: super(Why, self).parse_execute(_with_values(in_args)))

    def _execute(self) -> int:
        from etbuild.doit_plugin.selection import producers_first, require_known, states_of, step_tasks

        tasks = {task.name: task for task in self.task_list}
        require_known(set(tasks), self.task_list, self.sel_tasks)
        control = TaskControl(self.task_list)
        control.process(self.sel_tasks)
        running = False
        for task in producers_first(tasks, control.selected_tasks):
            for step_task in step_tasks([task]):
                running |= self._explain(step_task.step.name, *step_task.forecast(task))
        for state in states_of(self.task_list):
            state.executor.save()
        if not running:
            self.outstream.write("all up to date\n")
        return int(running)

    def _explain(self, name: str, why: Sequence[Reason], before: Sequence[str]) -> bool:
        """Print why one step would run; whether it would, or may."""
        if why:
            self.outstream.write(f"{name} runs\n")
            for reason in why:
                self.outstream.write(f"    {reason}\n")
        elif before:
            self.outstream.write(f"{name} runs if its input changes\n    input from {', '.join(before)}\n")
        return bool(why or before)


def _with_values(words: Iterable[str]) -> list[str]:
    """The words of a command line with "--fit A=1" as "--fit=A=1".

    doit takes every word with "=" as a variable of the dodo.py, also the value of `--fit`.
    """
    values = iter([value for option, value in pairwise(sys.argv) if option == "--fit"])
    return [f"--fit={value}" if word == "--fit" and "=" in (value := next(values, "")) else word for word in words]


def guarded(command: Callable[[], Any]) -> Any:
    """The command's exit code; that of a signal when the user, or the reader of the output, ends it."""
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_closed()
    except KeyboardInterrupt:
        return ctrl_c.report()
    return code


def _reader_closed() -> int:
    """The exit code when the reader of our output has closed it; Python must not fail again when it flushes."""
    import signal

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _end_on_sigterm() -> None:
    import signal

    def terminate(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, terminate)


def _with_groups(tasks: dict[str, Any], names: list[str], deep: bool) -> Iterator[Any]:
    """The named tasks with the steps of those that are groups; deep: with all that they depend on."""
    if deep:
        yield from tasks_and_deps_iter(tasks, names)
        return
    for name in names:
        yield tasks[name]
        if not tasks[name].actions:
            yield from _with_groups(tasks, tasks[name].task_dep, deep)
