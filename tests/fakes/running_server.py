"""A real compile server whose steps are those of fake_module.py, for tests that talk to one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etbuild.build_engine.local import ProcessResult
from etbuild.build_engine.server import client, protocol
from etbuild.build_engine.server.client import Request
from etbuild.build_engine.step import Step
from etbuild.steps.server import SERVER
from etbuild.system import environment

FAKE_SERVER = Path(__file__).with_name("fake_server.py")
DEADLINE_S = 10


@pytest.fixture(params=["always", "never"])
def server(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    """A server where the clients of this test look for one; with a standby child for its first step, or without."""
    assert protocol.private_folder().is_relative_to(run_folder)
    monkeypatch.setenv("FAKE_STANDBY", request.param)
    process = start(60)
    if request.param == "always":
        wait_for_standby()
    yield process
    process.kill()
    process.wait()


def socket_path() -> Path:
    """Where doit and the command line of this environment look for the server."""
    return protocol.socket_path(SERVER, environment.step_environment())


def start(idle_s: float) -> subprocess.Popen[bytes]:
    path = socket_path()
    command = [sys.executable, str(FAKE_SERVER), "--socket", str(path), "--idle-s", str(idle_s)]
    # As the client starts it: Python writes to a file late.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, env=variables)
    while not path.exists():
        time.sleep(0.01)
    return process


def wait_for_standby() -> None:
    while not (status := client.ask(SERVER, "status")) or not status["standby"]:
        time.sleep(0.01)


@contextmanager
def requested(folder: Path, *argv: str) -> Iterator[Request]:
    """A step that the server runs in the folder, its output in "log" there; the descriptors are closed at the end."""
    with (folder / "log").open("wb") as log:
        yield Request(SERVER, Step("fake:r", argv, (), ()), "fake_module", (folder, log.fileno(), log.fileno()))


def run(folder: Path, *argv: str) -> tuple[ProcessResult, str]:
    """How a step ended, and what it printed."""
    with requested(folder, *argv) as request:
        result = request.wait()
    return result, (folder / "log").read_text()


def wait_for_pids(folder: Path) -> list[int]:
    """The step's process, and the one that it has started."""
    file = folder / "pids"
    while not (file.exists() and len(file.read_text().split()) == 2):
        time.sleep(0.01)
    return [int(pid) for pid in file.read_text().split()]


def children_of(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def gone(*pids: int) -> bool:
    """Whether all of them end soon."""
    deadline = time.monotonic() + DEADLINE_S
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    """Whether it runs; a process that ends between open and read gives ProcessLookupError."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
