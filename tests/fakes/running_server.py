"""A real compile server whose steps are those of fake_module.py, for tests that talk to one."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etbuild.build_engine.server import client, protocol
from etbuild.system import environment

FAKE_SERVER = Path(__file__).with_name("fake_server.py")


@pytest.fixture(params=["always", "never"])
def server(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[bytes]]:
    """A server where a client of this test looks; the process of its first step stands by, or is forked then."""
    assert protocol.private_folder().is_relative_to(run_folder)
    monkeypatch.setenv("FAKE_STANDBY", request.param)
    process = start(60)
    if request.param == "always":
        wait_for_standby()
    yield process
    process.kill()
    process.wait()


def start(idle_s: float) -> subprocess.Popen[bytes]:
    path = protocol.socket_path(environment.step_environment())
    command = [sys.executable, str(FAKE_SERVER), "--socket", str(path), "--idle-s", str(idle_s)]
    # As the client starts it: Python writes to a file late.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with path.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, env=variables)
    while not path.exists():
        time.sleep(0.01)
    return process


def wait_for_standby() -> None:
    while not (told := client.ask("status")) or not told["standby"]:
        time.sleep(0.01)
