"""The process of a step: on a Dask worker where there is a scheduler, else a child of the warm compile server where one
may serve, else a fresh Python.

A cluster or server that is lost, or whose child was killed, costs time only: `ServerLost` tells the caller to go on
with the next way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etbuild.build_engine.server.client import Ended, Request, ServerLost
from etbuild.errors import StepError
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.build_engine.dask.cluster import Cluster, RemoteStep
    from etbuild.build_engine.step import Step

# Kinds whose module imports a compiler; the others are done before a server could be asked.
WARM = frozenset({"export", "quantize", "lower", "golden", "vela", "pte"})
# Kinds that a Dask worker may do. What export reads is known only after it ran, here, in the whole project; run needs
# this machine's simulators; the others are done sooner than they are sent.
REMOTE = frozenset({"quantize", "lower", "golden", "vela", "pte", "firmware"})

Way = Literal["dask", "warm", "plain"]


def module_command(step: Step) -> list[str]:
    """The arguments of Python that do a step, in the project's root or in a sandbox."""
    return ["-m", f"etbuild.steps.{step.kind}", *step.argv]


def say(text: str) -> None:
    """Tell the user one line while steps run."""
    print(text, file=sys.stderr, flush=True)


class Processes:
    """All running step processes of this doit; `stop` ends them, with all their children.

    command:   the fresh process of a step; None: Python with the step's module, or the warm server.
    scheduler: the address of a Dask scheduler; None for none.
    """

    def __init__(self, command: Callable[[Step], list[str]] | None = None, scheduler: str | None = None):
        self.scheduler = scheduler
        self._command = command
        self._cluster: Cluster | None = None
        self._running: set[subprocess.Popen[bytes] | Request | RemoteStep] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def warm(self, step: Step) -> bool:
        """Whether the step's process may come from the server."""
        return self._command is None and step.kind in WARM and tools.server_allowed()

    def ways(self, step: Step) -> tuple[Way, ...]:
        """How the step may be done, the next one when one is lost; the last is never lost."""
        here: tuple[Way, ...] = ("warm", "plain") if self.warm(step) else ("plain",)
        distributable = step.kind in REMOTE and not any(path.is_absolute() for path in step.inputs)
        return ("dask", *here) if self.scheduler and distributable else here

    def run(self, step: Step, sandbox: Path, log: Path, alive: int, way: Way) -> Ended:
        """Do the step in the sandbox, its words going to the log.

        alive:  a descriptor that the process keeps open for as long as it lives.
        raises: ServerLost when it was not the step that failed, but never when plain; StepError after `stop`.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            with self._guard:
                self._refuse_if_stopped(step)
                process = self._starts(way)(step, sandbox, output.fileno(), alive)
                self._running.add(process)
            try:
                ended = _wait(process) if isinstance(process, subprocess.Popen) else process.wait()
            except ServerLost:
                self._refuse_if_stopped(step)
                raise
            except BaseException:
                _end(process)
                raise
            finally:
                with self._guard:
                    self._running.discard(process)
        self._refuse_if_stopped(step)
        return ended

    def stop(self) -> None:
        """Kill every running step with all its children; nothing starts afterwards."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                _end(process)
            if self._cluster is not None:
                self._cluster.close()

    def _refuse_if_stopped(self, step: Step) -> None:
        if self._stopped:
            raise StepError(f"{step.name}: stopped")

    def _starts(self, way: Way) -> Callable[[Step, Path, int, int], subprocess.Popen[bytes] | Request | RemoteStep]:
        """What begins a step in this way; under the guard."""
        if way == "plain":
            return self._start_python
        if way == "warm":
            return Request
        from etbuild.build_engine.dask.cluster import Cluster, RemoteStep

        assert self.scheduler is not None
        self._cluster = self._cluster or Cluster(self.scheduler, say)
        return RemoteStep(self._cluster, self._command).given

    def _start_python(self, step: Step, sandbox: Path, output: int, alive: int) -> subprocess.Popen[bytes]:
        command = self._command(step) if self._command else [sys.executable, *module_command(step)]
        return subprocess.Popen(
            command,
            cwd=sandbox,
            env=tools.step_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(alive,),
        )


def _wait(process: subprocess.Popen[bytes]) -> Ended:
    begin = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(process.returncode, time.perf_counter() - begin, usage.ru_maxrss * 1024)


def _end(process: subprocess.Popen[bytes] | Request | RemoteStep) -> None:
    if not isinstance(process, subprocess.Popen):
        process.cancel()
    elif process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


__all__ = ["Ended", "Processes", "ServerLost", "Way", "module_command"]
