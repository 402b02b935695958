"""`etbuild server`: it shows what runs, and when `stop` returns, the server has ended."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from running_server import server, socket_path, start

from etbuild.cli import server as server_command
from etbuild.cli.main import main

__all__ = ["server"]


def test_status_of_a_server(server: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]) -> None:
    """Its process, its work, its end, its log."""
    assert main(["server", "status"]) == 0

    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"process   {server.pid}, for ")
    assert rest == [
        "steps     0 so far, 0 now",
        "warm      not yet",
        "ends      after 60 s without a step",
        f"log       {socket_path().with_suffix('.log')}",
    ]


def test_stop_returns_when_the_server_is_gone(
    server: subprocess.Popen[bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The next command of a script finds none."""
    codes = [main(["server", "stop"]), main(["server", "stop"]), main(["server", "status"])]

    assert codes == [0, 0, 0]
    assert capsys.readouterr().out == (
        f"compile server stopped: process {server.pid}, 0 steps served\n"
        "no compile server runs in this environment\n"
        "no compile server runs in this environment; the first step that needs one starts it\n"
    )


@pytest.mark.usefixtures("run_folder")
def test_status_when_the_server_is_switched_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """ETBUILD_SERVER=off is named."""
    monkeypatch.setenv("ETBUILD_SERVER", "off")

    assert main(["server", "status"]) == 0
    assert capsys.readouterr().out == "no compile server runs in this environment (ETBUILD_SERVER=off)\n"


@pytest.mark.parametrize("action", ["status", "stop"])
def test_a_folder_that_must_not_be_used_is_an_error(
    run_folder: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """No step could start a server there."""
    (run_folder / "etbuild").mkdir()
    (run_folder / "etbuild").chmod(0o755)

    code = main(["server", action])

    assert code == 1
    assert capsys.readouterr().err == (
        f"compile server: got {run_folder}/etbuild: got owner 0, mode 755, wanted ours, 700, wanted an answer\n"
    ).replace("owner 0", f"owner {os.getuid()}")


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize("action", ["status", "stop"])
def test_a_server_that_does_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """It listens and does not answer, as a stopped process does. The message says how to get another."""
    monkeypatch.setattr(server_command.client, "ANSWER_S", 0.01)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(socket_path()))
        listening.listen()

        assert main(["server", action]) == 1
    assert capsys.readouterr().err == (
        "compile server: got timed out, wanted an answer\n"
        f"    it is stopped or stuck: rm {socket_path()}, and the next step starts another\n"
    )


@pytest.mark.usefixtures("run_folder")
def test_a_server_that_does_not_end_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do."""
    process = start(60)
    monkeypatch.setattr(server_command, "STOP_S", 0.0)
    monkeypatch.setattr(server_command.client, "ask", lambda *_: {"pid": process.pid, "served": 0})

    code = main(["server", "stop"])
    process.kill()
    process.wait()

    assert code == 1
    assert capsys.readouterr().err == (
        f"process {process.pid}: got a compile server that runs on, wanted its end\n    kill -9 {process.pid}\n"
    )
