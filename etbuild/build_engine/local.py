"""A step in a fresh process of this machine, and how the process of a step ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.system import environment

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step, StepKind


class ProcessLost(Exception):  # noqa: N818 - no error of the user's: another way of running the step follows
    """The server or worker that ran a step is gone, or its process was killed: the step did not fail. Says which."""


class ProcessResult(NamedTuple):
    """How a step's process ended. exit: its code, negative for a signal; peak_bytes: largest resident memory."""

    exit: int
    seconds: float
    peak_bytes: int


class LocalProcess:
    """A running process in a session of its own; `wait` for its end, or `cancel` it from another thread."""

    def __init__(self, command: Sequence[str], sandbox: Path, log: int, alive: int):
        """log: descriptor for standard output and error; alive: descriptor that the process keeps open."""
        self._begin = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=sandbox,
            env=environment.step_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(alive,),
        )

    def wait(self) -> ProcessResult:
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return ProcessResult(self._process.returncode, time.perf_counter() - self._begin, usage.ru_maxrss * 1024)

    def cancel(self) -> None:
        """Kill it with all its children."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def step_command(step: Step, kind: StepKind) -> list[str]:
    """The step's command: this Python with the kind's module. Each line is in the log when it is printed."""
    return [sys.executable, "-u", "-m", kind.module, *step.argv]
