"""Starts the process of a step: on a Dask worker if a scheduler is set, else as a child of the compile server if it can
run the step, else as a fresh Python.

A lost worker or server only costs time: ProcessLost tells the caller to run the step in the next way.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from etbuild.build_engine.live import shown
from etbuild.build_engine.local import LocalProcess, ProcessLost, ProcessResult, step_command
from etbuild.build_engine.server.client import Request, ServerSilent
from etbuild.errors import StepError
from etbuild.system import environment

if TYPE_CHECKING:
    from etbuild.build_engine.dask.cluster import Cluster, RemoteStep
    from etbuild.build_engine.server.protocol import ServerSpec
    from etbuild.build_engine.step import Step, StepKind

Way = Literal["dask", "warm", "plain"]


class Programs(NamedTuple):
    """The programs that do the steps.

    kinds:   by name.
    server:  the compile server for warm kinds; None for none.
    command: in place of the kind's module, for tests; then no server runs steps. None for the module.
    """

    kinds: Mapping[str, StepKind]
    server: ServerSpec | None = None
    command: Callable[[Step], list[str]] | None = None


def say(text: str) -> None:
    """Show the user one line while steps run."""
    print(text, file=sys.stderr, flush=True)


class Launcher:
    """All running step processes of this doit; `stop` ends them, with all their children.

    show: gets each line that a step prints, when it prints it; None: lines are only in the log.
    """

    def __init__(self, programs: Programs):
        self.show: Callable[[str], None] | None = None
        self._programs = programs
        self._cluster: Cluster | None = None
        self._running: set[LocalProcess | Request | RemoteStep] = set()
        self._guard = threading.Lock()
        self._stopped = False
        self._server_silent = False

    def ways(self, step: Step) -> tuple[Way, ...]:
        """How the step may be run, each for when the one before is lost; the last one is never lost."""
        kind = self._programs.kinds[step.kind]
        may_be_warm = self._programs.server is not None and self._programs.command is None and kind.warm
        may_be_warm = may_be_warm and not self._server_silent and environment.server_allowed()
        here: tuple[Way, ...] = ("warm", "plain") if may_be_warm else ("plain",)
        # What a depfile names is known only after the run, so a worker would not have it.
        may_be_remote = kind.remote and not step.depfile and not any(path.startswith("/") for path in step.inputs)
        return ("dask", *here) if environment.scheduler() and may_be_remote else here

    def run(self, step: Step, files: tuple[Path, Path, int], way: Way) -> ProcessResult:
        """Run the step; its output goes to the log.

        files:  the sandbox, the log, and the descriptor that marks the sandbox as in use.
        raises: ProcessLost when the process was lost, never when plain; StepError after `stop`.
        """
        sandbox, log, alive = files
        log.parent.mkdir(parents=True, exist_ok=True)
        kind = self._programs.kinds[step.kind]
        show = self.show or (say if kind.always or kind.shown else None)
        with log.open("wb") as output, shown(log, step.name, show):
            process = None
            try:
                with self._guard:
                    self._refuse_if_stopped(step)
                    process = self._start(step, (sandbox, output.fileno(), alive), way)
                    self._running.add(process)
                result = process.wait()
            except ProcessLost as lost:
                self._server_silent |= isinstance(lost, ServerSilent)
                self._refuse_if_stopped(step)
                raise
            except BaseException:
                if process:
                    process.cancel()
                raise
            finally:
                if process:
                    with self._guard:
                        self._running.discard(process)
        self._refuse_if_stopped(step)
        return result

    def stop(self) -> None:
        """Kill every running step with all its children; nothing starts afterwards."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                process.cancel()
            if self._cluster is not None:
                self._cluster.close()

    def _refuse_if_stopped(self, step: Step) -> None:
        if self._stopped:
            raise StepError(f"{step.name}: stopped")

    def _start(self, step: Step, files: tuple[Path, int, int], way: Way) -> LocalProcess | Request | RemoteStep:
        """Under the guard."""
        kind, command = self._programs.kinds[step.kind], self._programs.command
        if way == "plain":
            return LocalProcess(command(step) if command else step_command(step, kind), *files)
        if way == "warm":
            assert self._programs.server is not None
            return Request(self._programs.server, step, kind.module, files)
        from etbuild.build_engine.dask.cluster import Cluster, RemoteStep
        from etbuild.build_engine.dask.worker import Job

        if self._cluster is None:
            address = environment.scheduler()
            assert address is not None
            self._cluster = Cluster(address, say)
        job = Job(step, kind, tuple(command(step)) if command else None, self._programs.server, ())
        return RemoteStep(self._cluster, job, *files[:2], is_live=self.show is not None)
