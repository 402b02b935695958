"""Asks the warm compile server to run a step, and starts the server when there is none.

It never decides that a step failed: whatever goes wrong with the server is ProcessLost, and the caller runs the step in
a plain process instead.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.progress import Progress
from etbuild.system import environment
from etbuild.system.files import lock

if TYPE_CHECKING:
    from etbuild.build_engine.server.protocol import ServerSpec
    from etbuild.build_engine.step import Step

# One that makes progress is waited for so long: on a machine that others use its imports take a minute and more.
START_S = 180.0
# Between two looks at a server that does not answer yet.
LOOK_S = 0.2
# A step that takes longer asks again and again whether its server still answers questions, which it does at once.
ASK_AFTER_S = 3.0
# The server waits 5 s for a silent client, and answers no other client meanwhile.
ANSWER_S = 7.0
SILENT = "the compile server does not answer"


class ServerSilent(ProcessLost):
    """The server is there and does not answer: stopped, or stuck. No step should be given to it."""


class Request:
    """One step given to the server; `wait` for its end, or `cancel` it from another thread."""

    def __init__(self, spec: ServerSpec, step: Step, module: str, files: tuple[Path, int, int]):
        """module: the program of the step's kind. files: the sandbox, descriptor of the log, descriptor that marks the
        sandbox as in use.

        raises: ProcessLost when no server could be reached or started.
        """
        sandbox, *descriptors = files
        variables = environment.step_environment()
        try:
            self._path = protocol.socket_path(spec, variables)
            self._connection = _connect(spec, self._path, variables)
            self._starting = _Starting(self._path, self._connection)
            message = {"ask": "step", "module": module, "argv": step.argv, "cwd": str(sandbox), "env": variables}
            protocol.send(self._connection, message, descriptors)
        except TimeoutError as error:
            raise ServerSilent(SILENT) from error
        except (OSError, ValueError) as error:
            raise ProcessLost(f"no compile server: {error}") from error

    def wait(self) -> ProcessResult:
        """raises: ProcessLost when the server went away or the step's process was killed by a signal; ServerSilent."""
        try:
            self._wait_for_answer()
            message, _ = protocol.receive(self._connection)
            numbers = [_number(message, key) for key in ("exit", "seconds", "peak_bytes")]
            result = ProcessResult(int(numbers[0]), numbers[1], int(numbers[2]))
        except (OSError, ValueError, KeyError) as error:
            raise ProcessLost(f"the compile server went away: {error}") from error
        finally:
            self._connection.close()
        if result.exit < 0:
            raise ProcessLost(f"the compile server's child was killed by signal {-result.exit}")
        return result

    def cancel(self) -> None:
        """Close the connection: the server kills the step with all its children."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _wait_for_answer(self) -> None:
        if not self._starting.wait():
            raise ServerSilent(SILENT)
        while not select.select([self._connection], [], [], ASK_AFTER_S)[0]:
            if self._starting.replaced():  # The step's own connection says how it ends.
                continue
            try:
                with _asked(self._path, "status") as question:
                    ends = (question, self._connection)
                    if not select.select(ends, [], [], question.gettimeout())[0]:
                        raise ServerSilent(SILENT)
            except (TimeoutError, BlockingIOError) as error:
                raise ServerSilent(SILENT) from error
            except OSError:  # It gave up its place at this moment.
                continue


def ask(spec: ServerSpec, question: str) -> dict[str, Any] | None:
    """The answer of the running server to "status" or "stop"; None when none runs.

    raises: TimeoutError when it does not answer; other OSError, ValueError when one cannot be found.
    """
    try:
        with _asked(protocol.socket_path(spec, environment.step_environment()), question) as connection:
            message, _ = protocol.receive(connection)
            return message
    except (FileNotFoundError, ConnectionError):  # ConnectionError: it ended at that moment.
        return None


class _Starting:
    """The time until the server of a connection has done its imports; the socket file of another one says nothing."""

    def __init__(self, path: Path, connection: socket.socket):
        self._path = path
        self._connection = connection
        self._begin = time.monotonic()
        self._inode = _inode(path)
        self._progress = Progress.of_peer(connection)

    def replaced(self) -> bool:
        """Whether the file is gone, or that of another server."""
        return _inode(self._path) != self._inode

    def wait(self) -> bool:
        """Wait until it answers, or may be asked; False when it makes no progress, or takes more than START_S."""
        while not select.select([self._connection], [], [], LOOK_S)[0]:
            if protocol.serves(self._path) or self.replaced():
                return True
            if self._progress.stalled() or time.monotonic() - self._begin > START_S:
                return False
        return True


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


@contextmanager
def _asked(path: Path, question: str) -> Iterator[socket.socket]:
    """The connection on which the server was asked; its timeout is how long an answer may take."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(path))
        protocol.send(connection, {"ask": question})
        if not _Starting(path, connection).wait():
            raise TimeoutError("no progress")
        yield connection


def _number(message: Mapping[str, object], key: str) -> float:
    value = message[key]
    if not isinstance(value, int | float):
        raise ValueError(f"{key}: {value!r}")
    return value


def _connect(spec: ServerSpec, path: Path, variables: Mapping[str, str]) -> socket.socket:
    """A connection to the server; starts one if none listens. It answers once its imports are done."""
    deadline = time.monotonic() + START_S
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(path))
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            _start(spec, path, variables)


def _start(spec: ServerSpec, path: Path, variables: Mapping[str, str]) -> None:
    """Start a server and wait until its socket exists; one at a time, however many processes ask."""
    with path.with_suffix(".lock").open("w") as file:
        lock(file)
        if _listens(path):
            return
        before = path.stat().st_ino if path.exists() else None
        idle = environment.variable("ETBUILD_SERVER_IDLE_S")
        command = [sys.executable, "-m", spec.module, "--socket", str(path)]
        with path.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *(["--idle-s", idle] if idle else [])],
                cwd="/",
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline, progress = time.monotonic() + START_S, Progress(process.pid)
        while process.poll() is None:
            if path.exists() and path.stat().st_ino != before:
                return
            if progress.stalled() or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise TimeoutError(SILENT)
            time.sleep(0.01)
        raise ConnectionRefusedError(f"it ended with exit code {process.returncode}, see {log.name}")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True
