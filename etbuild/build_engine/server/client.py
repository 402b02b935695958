"""Asks the warm compile server to do a step, starting it when there is none. It never decides that a step failed.

Whatever goes wrong with the server is `ServerLost`: the caller does the step in a plain process instead.
"""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.server import protocol
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

START_S = 60.0


class ServerLost(Exception):  # noqa: N818 - not an error of the user's: a plain process follows
    """The server is not there, went away, or its child was killed; says which."""


@dataclass(frozen=True)
class Ended:
    """How a step's process ended. exit: its code; peak_bytes: resident, at most."""

    exit: int
    seconds: float
    peak_bytes: int


class Request:
    """One step given to the server; `wait` for its end, or `cancel` it from another thread."""

    def __init__(self, step: Step, sandbox: Path, log: int, alive: int):
        """raises: ServerLost when no server could be reached or started."""
        environment = tools.step_environment()
        try:
            self._connection = _connect(environment)
            message = {"ask": "step", "kind": step.kind, "argv": step.argv, "cwd": str(sandbox), "env": environment}
            protocol.send(self._connection, message, (log, alive))
        except (OSError, ValueError) as error:
            raise ServerLost(f"no compile server: {error}") from error

    def wait(self) -> Ended:
        """raises: ServerLost when the server went away or the step's process was killed by a signal."""
        try:
            message, _ = protocol.receive(self._connection)
            ended = Ended(
                int(_number(message, "exit")), _number(message, "seconds"), int(_number(message, "peak_bytes"))
            )
        except (OSError, ValueError, KeyError) as error:
            raise ServerLost(f"the compile server went away: {error}") from error
        finally:
            self._connection.close()
        if ended.exit < 0:
            raise ServerLost(f"the compile server's child was killed by signal {-ended.exit}")
        return ended

    def cancel(self) -> None:
        """Hang up: the server kills the step with all its children."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def ask(question: str) -> dict[str, Any] | None:
    """The answer of the running server to "status" or "stop"; None when none runs.

    raises: OSError, ValueError when one cannot be found or does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(START_S)
            connection.connect(str(protocol.socket_path(tools.step_environment())))
            protocol.send(connection, {"ask": question})
            message, _ = protocol.receive(connection)
            return message
    except (FileNotFoundError, ConnectionError):  # The last: it ended at that moment.
        return None


def _number(message: Mapping[str, object], key: str) -> float:
    value = message[key]
    if not isinstance(value, int | float):
        raise ValueError(f"{key}: {value!r}")
    return value


def _connect(environment: Mapping[str, str]) -> socket.socket:
    """A connection to the server; one is started when nobody listens. It answers once its imports are done."""
    path = protocol.socket_path(environment)
    deadline = time.monotonic() + START_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            _start(path, environment)


def _start(path: Path, environment: Mapping[str, str]) -> None:
    """Start a server and wait until its socket stands; at most one, however many ask."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _listens(path):
            return
        before = path.stat().st_ino if path.exists() else None
        idle = tools.variable("ETBUILD_SERVER_IDLE_S")
        command = [sys.executable, "-m", "etbuild.build_engine.server.server", "--socket", str(path)]
        with path.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *(["--idle-s", idle] if idle else [])],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        while process.poll() is None:
            if path.exists() and path.stat().st_ino != before:
                return
            time.sleep(0.01)
        raise ConnectionRefusedError(f"it ended with exit code {process.returncode}, see {log.name}")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True
