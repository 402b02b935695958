"""The compile server itself: its standby child, its end, and a machine without room for another process."""

import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from running_server import children_of, gone, requested, run, socket_path, start, wait_for_pids, wait_for_standby

from etbuild.build_engine.local import ProcessLost
from etbuild.build_engine.server import client, protocol
from etbuild.build_engine.server import server as server_module
from etbuild.build_engine.server.server import Server
from etbuild.steps.server import SERVER


@pytest.mark.parametrize("server", ["always"], indirect=True)
def test_the_standby_child_runs_the_step(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """Another one replaces it meanwhile, and ends with the server."""
    (first,) = children_of(server)
    with requested(tmp_path, "hang") as request:
        pid, _ = wait_for_pids(tmp_path)
        wait_for_standby()
        both = children_of(server)
        request.cancel()
    client.ask(SERVER, "stop")

    assert pid == first
    assert len(both) == 2 and first in both
    assert gone(*both)


@pytest.mark.parametrize("server", ["always"], indirect=True)
def test_a_standby_child_that_died_is_not_replaced(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """The next one might die as well; steps run without."""
    (standby,) = children_of(server)
    os.kill(standby, signal.SIGKILL)
    assert gone(standby)

    result, _ = run(tmp_path, "print")
    status = client.ask(SERVER, "status")

    assert result.exit == 0
    assert status is not None and not status["standby"]


def test_stop_ends_the_server_and_its_steps(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """It answers, removes its socket and ends; a client that waits for a step learns that it is lost."""
    with requested(tmp_path, "hang") as request:
        pids = wait_for_pids(tmp_path)
        answer = client.ask(SERVER, "stop")
        with pytest.raises(ProcessLost, match=r"^the compile server went away"):
            request.wait()

    assert answer is not None and answer["pid"] == server.pid
    assert server.wait(10) == 0
    assert client.ask(SERVER, "status") is None
    assert gone(*pids)


@pytest.mark.usefixtures("run_folder")
def test_an_idle_server_ends_by_itself() -> None:
    """After its idle time without a step, however often its status is asked for."""
    process = start(0.1)
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        client.ask(SERVER, "status")

    assert process.poll() == 0


@pytest.mark.usefixtures("server")
def test_two_clients_start_one_server(tmp_path: Path) -> None:
    """The one that listens is used; no other is started."""
    codes: list[int] = []
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    threads = [threading.Thread(target=lambda f=f: codes.append(run(f, "write", "x")[0].exit)) for f in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [0, 0]
    assert len(list(protocol.private_folder().glob("*.sock"))) == 1


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(("of", "what"), [(os, "fork"), (socket, "socketpair")])
def test_a_machine_without_room_for_a_child_does_not_end_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: object, what: str
) -> None:
    """The client runs the step itself; steps that run already are not lost."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(socket_path()))
    listening.listen()
    listening.setblocking(False)
    monkeypatch.setattr(of, what, refuse)
    monkeypatch.setattr(server_module, "QUIET_S", 0.01)
    warmed_up: list[int] = []
    warm_up = (lambda: warmed_up.append(1)) if what == "fork" else None
    thread = threading.Thread(target=Server(listening, 60, warm_up).serve)
    thread.start()

    with requested(tmp_path, "print") as request, pytest.raises(ProcessLost, match=r"^the compile server went away"):
        request.wait()
    answer = client.ask(SERVER, "stop")
    thread.join(10)
    listening.close()

    assert answer is not None and answer["running"] == 0
    assert warmed_up == []


def refuse() -> int:
    raise BlockingIOError(11, "Resource temporarily unavailable")
