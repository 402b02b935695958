"""The process of a step: a child of the warm compile server where one may serve, else a fresh Python.

A server that is lost, or whose child was killed, costs time only: `ServerLost` tells the caller to start over plainly.
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
from typing import TYPE_CHECKING

from etbuild import tools
from etbuild.errors import StepError
from etbuild.workers.client import Ended, Request, ServerLost

if TYPE_CHECKING:
    from etbuild.step import Step

# Kinds whose module imports a compiler; the others are done before a server could be asked.
WARM = frozenset({"export", "quantize", "lower", "golden", "vela", "pte"})


def module_command(step: Step) -> list[str]:
    """The arguments of Python that do a step, in the project's root or in a sandbox."""
    return ["-m", f"etbuild.steps.{step.kind}", *step.argv]


class Processes:
    """All running step processes of this doit; `stop` ends them, with all their children.

    command: the fresh process of a step; None: Python with the step's module, or the warm server.
    """

    def __init__(self, command: Callable[[Step], list[str]] | None = None):
        self._command = command
        self._running: set[subprocess.Popen[bytes] | Request] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def warm(self, step: Step) -> bool:
        """Whether the step's process may come from the server."""
        return self._command is None and step.kind in WARM and tools.server_allowed()

    def run(self, step: Step, sandbox: Path, log: Path, alive: int, warm: bool) -> Ended:
        """Do the step in the sandbox, its words going to the log.

        alive:  a descriptor that the process keeps open for as long as it lives.
        raises: ServerLost when `warm` and it was not the step that failed; StepError after `stop`.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            start = self._ask_server if warm else self._start_python
            with self._guard:
                self._refuse_if_stopped(step)
                process = start(step, sandbox, output.fileno(), alive)
                self._running.add(process)
            try:
                ended = process.wait() if isinstance(process, Request) else _wait(process)
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

    def _refuse_if_stopped(self, step: Step) -> None:
        if self._stopped:
            raise StepError(f"{step.name}: stopped")

    def _ask_server(self, step: Step, sandbox: Path, output: int, alive: int) -> Request:
        return Request(step, sandbox, output, alive)

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


def _end(process: subprocess.Popen[bytes] | Request) -> None:
    if isinstance(process, Request):
        process.cancel()
    elif process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


__all__ = ["Ended", "Processes", "ServerLost", "module_command"]
