"""Steps that the compile server runs: what passes through it, and what happens when a process dies."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from running_server import gone, requested, run, wait_for_pids

from etbuild.build_engine.local import ProcessLost
from etbuild.build_engine.server import client
from etbuild.steps.server import SERVER


@pytest.mark.usefixtures("server")
def test_folder_environment_and_both_streams_reach_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the step had been started in the sandbox."""
    monkeypatch.setenv("SEEN", "yes")

    result, printed = run(tmp_path, "print")

    assert result.exit == 0
    assert result.peak_bytes > 1 << 20
    assert sorted(printed.splitlines()) == ["SEEN yes", f"cwd {tmp_path}"]


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("argv", "code", "last_line"),
    [
        (("mistake",), 1, "the model is wrong"),
        (("bug",), 1, "RuntimeError: our own bug"),
        (("exit", "3"), 3, ""),
        (("exit", "-1"), 255, ""),
        (("exit", "256"), 0, ""),
        (("exit", "no weights"), 1, "no weights"),
        (("quiet",), 0, ""),
        (("fork",), 5, ""),
        (("lack", "nothing"), 3, "    start through ./bootstrap, which installs what pyproject.toml pins"),
    ],
)
def test_an_exit_code_is_that_of_a_plain_process(
    tmp_path: Path, argv: tuple[str, ...], code: int, last_line: str
) -> None:
    """User's mistakes, our bugs, sys.exit, and what the machine lacks."""
    result, printed = run(tmp_path, *argv)

    assert (result.exit, (printed.splitlines() or [""])[-1]) == (code, last_line)


@pytest.mark.usefixtures("server")
def test_a_line_is_in_the_log_when_it_is_printed(tmp_path: Path) -> None:
    """Not only when the step ends: doit -v 2 shows it."""
    with requested(tmp_path, "talk") as request:
        while "begins\n" not in (tmp_path / "log").read_text():
            time.sleep(0.01)
        (tmp_path / "end").touch()

        assert request.wait().exit == 0


@pytest.mark.usefixtures("server")
def test_output_of_native_code_is_in_the_log(tmp_path: Path) -> None:
    """The C library buffers it when the output is a file, and a process that ends without a flush loses it."""
    assert run(tmp_path, "native")[1] == "from native code\n"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("how", "number"), [("die", 9), ("terminate", 15)])
def test_a_killed_child_is_a_lost_process_and_not_a_failed_step(tmp_path: Path, how: str, number: int) -> None:
    """A plain process then runs the step; a half-done one never counts as successful."""
    with pytest.raises(ProcessLost, match=rf"^the compile server's child was killed by signal {number}$"):
        run(tmp_path, how)


@pytest.mark.parametrize("how", ["hang", "hang forked"])
def test_a_killed_server_is_noticed_while_waiting(tmp_path: Path, server: subprocess.Popen[bytes], how: str) -> None:
    """kill -9 in the middle of a step, which ends with it; a process that the step has started delays nobody."""
    with requested(tmp_path, how) as request:
        child, helper = wait_for_pids(tmp_path)
        server.kill()
        with pytest.raises(ProcessLost, match=r"^the compile server went away"):
            request.wait()

    os.kill(helper, signal.SIGKILL)
    assert gone(child)


@pytest.mark.parametrize("server", ["never"], indirect=True)
def test_a_descriptor_number_that_is_used_again_ends_no_server(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """In one round a step dies, another client gets its descriptor's number, and the first client hangs up."""
    (tmp_path / "other").mkdir()
    with requested(tmp_path, "hang") as first:
        pid, helper = wait_for_pids(tmp_path)
        server.send_signal(signal.SIGSTOP)
        os.killpg(pid, signal.SIGKILL)
        with requested(tmp_path / "other", "print") as second:
            first.cancel()
            server.send_signal(signal.SIGCONT)
            result = second.wait()

    assert result.exit == 0
    assert server.poll() is None
    assert gone(helper)


@pytest.mark.usefixtures("server")
def test_cancelling_kills_the_step_and_its_children(tmp_path: Path) -> None:
    """Ctrl-C in doit: nothing runs on unnoticed."""
    with requested(tmp_path, "hang") as request:
        pids = wait_for_pids(tmp_path)
        request.cancel()
        with pytest.raises(ProcessLost):
            request.wait()

    assert gone(*pids)


@pytest.mark.usefixtures("server")
def test_steps_run_at_the_same_time(tmp_path: Path) -> None:
    """One that hangs delays no other."""
    (tmp_path / "other").mkdir()
    with requested(tmp_path, "hang") as request:
        wait_for_pids(tmp_path)
        result, _ = run(tmp_path / "other", "write", "done")
        status = client.ask(SERVER, "status")
        request.cancel()

    assert result.exit == 0
    assert status is not None and (status["running"], status["served"]) == (1, 2)
