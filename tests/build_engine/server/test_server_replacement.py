"""The replacement that a compile server forks: it warms up, then takes over the socket."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_server import alive, gone, requested, run, start, wait_for_pids

from etbuild.build_engine.server import client, protocol
from etbuild.steps.server import SERVER

WRITE_PID = (
    "import os, pathlib; pathlib.Path(os.environ['XDG_RUNTIME_DIR'], 'replacement').write_text(str(os.getpid()))"
)
HANG = f"{WRITE_PID}; import time; time.sleep(600)"


@pytest.fixture
def warming_up(
    request: pytest.FixtureRequest, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose replacement warms up with the Python that the test gives."""
    monkeypatch.setenv("FAKE_WARM_UP", request.param)
    assert protocol.private_folder().is_relative_to(run_folder)
    process = start(60)
    yield process
    client.ask(SERVER, "stop")
    process.kill()
    process.wait()


def wait_for_replacement() -> int:
    """The process that warms up."""
    file = Path(os.environ["XDG_RUNTIME_DIR"]) / "replacement"
    while not (file.exists() and file.read_text()):
        time.sleep(0.01)
    return int(file.read_text())


@pytest.mark.parametrize("warming_up", ["pass"], indirect=True)
def test_a_replacement_takes_over_after_its_warm_up(tmp_path: Path, warming_up: subprocess.Popen[bytes]) -> None:
    """On the same socket; the first server ends, and the replacement runs the next step."""
    code = warming_up.wait(10)
    result, _ = run(tmp_path, "print")
    status = client.ask(SERVER, "status")

    assert (code, result.exit) == (0, 0)
    assert status is not None and status["pid"] != warming_up.pid
    assert (status["warmed_up"], status["served"]) == (True, 1)


@pytest.mark.parametrize(
    "warming_up",
    ["print('warming up')", "import ctypes; ctypes.CDLL(None).printf(b'warming up\\n')"],
    indirect=True,
)
def test_the_output_of_a_warm_up_is_in_no_steps_log(tmp_path: Path, warming_up: subprocess.Popen[bytes]) -> None:
    """Each child would flush what was buffered before the fork."""
    warming_up.wait(10)

    _, printed = run(tmp_path, "write", "x")

    assert printed == ""


@pytest.mark.parametrize("warming_up", [f"{WRITE_PID}; raise SystemExit('no')"], indirect=True)
def test_a_server_survives_a_warm_up_that_fails(tmp_path: Path, warming_up: subprocess.Popen[bytes]) -> None:
    """It tries once and serves as before."""
    replacement = wait_for_replacement()
    died = gone(replacement)
    result, _ = run(tmp_path, "print")
    status = client.ask(SERVER, "status")

    assert died and result.exit == 0
    assert status is not None and (status["pid"], status["warmed_up"]) == (warming_up.pid, False)


@pytest.mark.parametrize("warming_up", [HANG], indirect=True)
def test_no_step_waits_for_a_warm_up(tmp_path: Path, warming_up: subprocess.Popen[bytes]) -> None:
    """Steps run meanwhile; `stop` ends both."""
    replacement = wait_for_replacement()
    result, _ = run(tmp_path, "print")
    client.ask(SERVER, "stop")

    assert result.exit == 0
    assert warming_up.wait(10) == 0
    assert gone(replacement)


@pytest.mark.parametrize("warming_up", [HANG], indirect=True)
def test_a_warm_up_dies_with_its_server(warming_up: subprocess.Popen[bytes]) -> None:
    """After kill -9 nobody has the socket open, so the next client starts a server."""
    replacement = wait_for_replacement()
    warming_up.kill()

    assert gone(replacement)
    assert client.ask(SERVER, "status") is None


@pytest.mark.parametrize("warming_up", [f"{WRITE_PID}; import time; time.sleep(0.5)"], indirect=True)
def test_a_step_runs_to_its_end_while_the_replacement_takes_over(
    tmp_path: Path, warming_up: subprocess.Popen[bytes]
) -> None:
    """The first server lives as long as its last step."""
    wait_for_replacement()
    with requested(tmp_path, "hang") as request:
        pids = wait_for_pids(tmp_path)
        while (status := client.ask(SERVER, "status")) is not None and status["pid"] == warming_up.pid:
            time.sleep(0.01)
        running = [alive(pid) for pid in pids]
        request.cancel()

    assert running == [True, True]
    assert status is not None and status["warmed_up"]
    assert warming_up.wait(10) == 0
    assert gone(*pids)
