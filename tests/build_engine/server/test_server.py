"""The warm server with a stand-in for a step: what passes through it, and what happens when something dies."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_server import server, start, wait_for_standby

from etbuild.build_engine.server import client, protocol
from etbuild.build_engine.server import server as server_module
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.server.client import Request
from etbuild.build_engine.server.server import Server
from etbuild.build_engine.step import Step
from etbuild.system import environment

__all__ = ["server"]


def do(folder: Path, *argv: str) -> tuple[ProcessResult, str]:
    """How a step ended, and what it said."""
    with request(folder, *argv) as asked:
        ended = asked.wait()
    return ended, (folder / "log").read_text()


class request:  # noqa: N801 - reads as a function
    """A request under way; its descriptors are closed at the end."""

    def __init__(self, folder: Path, *argv: str):
        self._log = (folder / "log").open("wb")
        step = Step("fake:r", argv, (), ())
        self._request = Request(step, folder, self._log.fileno(), self._log.fileno())

    def __enter__(self) -> Request:
        return self._request

    def __exit__(self, *_: object) -> None:
        self._log.close()


@pytest.mark.usefixtures("server")
def test_folder_environment_and_both_streams_reach_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the step had been started in the sandbox."""
    monkeypatch.setenv("SEEN", "yes")

    ended, said = do(tmp_path, "tell")

    assert ended.exit == 0
    assert ended.peak_bytes > 1 << 20
    assert sorted(said.splitlines()) == ["SEEN yes", f"cwd {tmp_path}"]


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
    ended, said = do(tmp_path, *argv)

    assert (ended.exit, (said.splitlines() or [""])[-1]) == (code, last_line)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("how", "number"), [("die", 9), ("terminate", 15)])
def test_a_killed_child_is_a_lost_server_and_not_a_failed_step(tmp_path: Path, how: str, number: int) -> None:
    """The step is then done by a plain process; a half-done one never counts as well ended."""
    with pytest.raises(ProcessLost, match=rf"^the compile server's child was killed by signal {number}$"):
        do(tmp_path, how)


@pytest.mark.parametrize("how", ["hang", "hang forked"])
def test_a_killed_server_is_noticed_while_waiting(tmp_path: Path, server: subprocess.Popen[bytes], how: str) -> None:
    """kill -9 in the middle of a step, which ends with it; what the step has started holds nobody up."""
    with request(tmp_path, how) as asked:
        child, helper = wait_for_pids(tmp_path)
        server.kill()
        with pytest.raises(ProcessLost, match=r"^the compile server went away"):
            asked.wait()

    os.kill(helper, signal.SIGKILL)
    assert gone(child)


@pytest.mark.parametrize("server", ["never"], indirect=True)
def test_a_number_that_is_somebody_elses_now_ends_no_server(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """In one round a step dies, another one's client takes its descriptor's number, and the first one's hangs up."""
    (tmp_path / "other").mkdir()
    with request(tmp_path, "hang") as first:
        pid, helper = wait_for_pids(tmp_path)
        server.send_signal(signal.SIGSTOP)
        os.killpg(pid, signal.SIGKILL)
        with request(tmp_path / "other", "tell") as second:
            first.cancel()
            server.send_signal(signal.SIGCONT)
            ended = second.wait()

    assert ended.exit == 0
    assert server.poll() is None
    assert gone(helper)


@pytest.mark.usefixtures("server")
def test_hanging_up_kills_the_step_and_its_children(tmp_path: Path) -> None:
    """Ctrl-C in doit: nothing goes on behind its back."""
    with request(tmp_path, "hang") as asked:
        pids = wait_for_pids(tmp_path)
        asked.cancel()
        with pytest.raises(ProcessLost):
            asked.wait()

    assert gone(*pids)


@pytest.mark.usefixtures("server")
def test_steps_run_side_by_side(tmp_path: Path) -> None:
    """One that hangs keeps nobody waiting."""
    (tmp_path / "other").mkdir()
    with request(tmp_path, "hang") as asked:
        wait_for_pids(tmp_path)
        ended, _ = do(tmp_path / "other", "write", "done")
        running = client.ask("status")
        asked.cancel()

    assert ended.exit == 0
    assert running is not None and (running["running"], running["served"]) == (1, 2)


@pytest.mark.parametrize("server", ["always"], indirect=True)
def test_a_step_is_done_by_the_process_that_stands_by(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """Another one takes its place while it runs, and goes with the server."""
    (first,) = children_of(server)
    with request(tmp_path, "hang") as asked:
        pid, _ = wait_for_pids(tmp_path)
        wait_for_standby()
        both = children_of(server)
        asked.cancel()
    client.ask("stop")

    assert pid == first
    assert len(both) == 2 and first in both
    assert gone(*both)


@pytest.mark.parametrize("server", ["always"], indirect=True)
def test_a_process_that_died_standing_by_is_not_replaced(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """The next one might die as well; steps do without."""
    (standby,) = children_of(server)
    os.kill(standby, signal.SIGKILL)
    assert gone(standby)

    ended, _ = do(tmp_path, "tell")
    told = client.ask("status")

    assert ended.exit == 0
    assert told is not None and not told["standby"]


def test_stop_ends_the_server_and_its_steps(tmp_path: Path, server: subprocess.Popen[bytes]) -> None:
    """It answers, removes its socket and goes; whoever waits for a step learns that it is lost."""
    with request(tmp_path, "hang") as asked:
        pids = wait_for_pids(tmp_path)
        answer = client.ask("stop")
        with pytest.raises(ProcessLost, match=r"^the compile server went away"):
            asked.wait()

    assert answer is not None and answer["pid"] == server.pid
    assert server.wait(10) == 0
    assert client.ask("status") is None
    assert gone(*pids)


@pytest.mark.usefixtures("run_folder")
def test_an_idle_server_ends_by_itself() -> None:
    """After the time it was given without a step, however often it is asked how it is."""
    process = start(0.1)
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        client.ask("status")

    assert process.poll() == 0


@pytest.mark.usefixtures("server")
def test_two_clients_start_one_server(tmp_path: Path) -> None:
    """The one that listens is used; nobody starts another beside it."""
    ended: list[int] = []
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    threads = [threading.Thread(target=lambda f=f: ended.append(do(f, "write", "x")[0].exit)) for f in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended == [0, 0]
    assert len(list(protocol.private_folder().glob("*.sock"))) == 1


@pytest.mark.usefixtures("run_folder")
def test_doit_and_the_command_line_find_the_same_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though doit puts the project's folder in front of its sys.path, where a script has its own."""
    before = protocol.socket_path(environment.step_environment())

    monkeypatch.syspath_prepend(tmp_path)

    assert protocol.socket_path(environment.step_environment()) == before


@pytest.mark.usefixtures("run_folder")
def test_another_name_of_the_interpreter_finds_the_same_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts of one environment may begin with python or with python3."""
    (tmp_path / "python").symlink_to(sys.executable)
    before = protocol.socket_path(environment.step_environment())

    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert protocol.socket_path(environment.step_environment()) == before


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONOPTIMIZE", "OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES"]
)
def test_who_would_import_something_else_gets_another_server(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read once, when the compilers are imported, is part of a server's name."""
    before = protocol.socket_path(environment.step_environment())

    monkeypatch.setenv(name, "1")

    assert protocol.socket_path(environment.step_environment()) != before


def test_a_folder_that_others_can_see_is_refused(run_folder: Path) -> None:
    """A socket there could be somebody else's."""
    (run_folder / "etbuild").mkdir(mode=0o755)
    (run_folder / "etbuild").chmod(0o755)

    with pytest.raises(PermissionError, match="wanted ours, 700"):
        protocol.private_folder()


def test_somebody_elses_run_time_folder_is_left_to_them(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo keeps the variable: what root made there would shut the user out until the next boot."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)

    with pytest.raises(PermissionError, match=f"^{tmp_path}/etbuild-{uid + 1}: "):
        protocol.private_folder()
    assert list(run_folder.iterdir()) == []


def test_a_run_time_folder_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has logged in: the folder for temporary files will do."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file/run"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert protocol.private_folder() == tmp_path / f"etbuild-{os.getuid()}"


def test_a_run_time_folder_too_deep_for_a_socket_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Unix socket's path has at most 107 bytes."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("deep" * 25)))
    monkeypatch.setattr("tempfile.tempdir", "/tmp")

    folder = protocol.private_folder()

    assert folder == Path(f"/tmp/etbuild-{os.getuid()}")


@pytest.mark.usefixtures("server")
def test_nonsense_from_a_client_harms_nobody() -> None:
    """The next client is served."""
    deep = (200_000).to_bytes(4, "little") + b"[" * 200_000
    for nonsense in (b"", b"\xff\xff\xff\xff", b"\x05\x00\x00\x00hello", b"\x02\x00\x00\x00[]", deep):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(protocol.socket_path(environment.step_environment())))
            connection.sendall(nonsense)

    assert client.ask("status") is not None


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(("of", "what"), [(os, "fork"), (socket, "socketpair")])
def test_a_machine_without_room_for_a_child_keeps_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: object, what: str
) -> None:
    """The step is its client's to do; those that run beside it are not lost."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(protocol.socket_path(environment.step_environment())))
    listening.listen()
    listening.setblocking(False)
    monkeypatch.setattr(of, what, refuse)
    monkeypatch.setattr(server_module, "QUIET_S", 0.01)
    rehearsed: list[int] = []
    rehearse = (lambda: rehearsed.append(1)) if what == "fork" else None
    thread = threading.Thread(target=Server(listening, 60, rehearse).serve)
    thread.start()

    with request(tmp_path, "tell") as asked, pytest.raises(ProcessLost, match=r"^the compile server went away"):
        asked.wait()
    told = client.ask("stop")
    thread.join(10)
    listening.close()

    assert told is not None and told["running"] == 0
    assert rehearsed == []


def refuse() -> int:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_a_client_that_falls_silent_leaves_no_descriptor(tmp_path: Path) -> None:
    """What came with its first bytes is closed again."""
    ours, theirs = socket.socketpair()
    with ours, theirs, (tmp_path / "log").open("wb") as log:
        socket.send_fds(ours, [b"\x09\x00"], [log.fileno()])
        theirs.settimeout(0.01)
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(TimeoutError):
            protocol.receive(theirs)

        assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.fixture
def rehearsing(
    request: pytest.FixtureRequest, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose successor rehearses with the Python that the test gives."""
    monkeypatch.setenv("FAKE_REHEARSAL", request.param)
    assert protocol.private_folder().is_relative_to(run_folder)
    process = start(60)
    yield process
    client.ask("stop")
    process.kill()
    process.wait()


PID_OF_SUCCESSOR = (
    "import os, pathlib; pathlib.Path(os.environ['XDG_RUNTIME_DIR'], 'successor').write_text(str(os.getpid()))"
)
HANGING = f"{PID_OF_SUCCESSOR}; import time; time.sleep(600)"


@pytest.mark.parametrize("rehearsing", ["pass"], indirect=True)
def test_a_successor_takes_over_after_its_rehearsal(tmp_path: Path, rehearsing: subprocess.Popen[bytes]) -> None:
    """On the same socket; the first server ends, and the next step is the successor's."""
    code = rehearsing.wait(10)
    ended, _ = do(tmp_path, "tell")
    told = client.ask("status")

    assert (code, ended.exit) == (0, 0)
    assert told is not None and told["pid"] != rehearsing.pid
    assert (told["rehearsed"], told["served"]) == (True, 1)


@pytest.mark.usefixtures("server")
def test_what_native_code_says_is_in_the_log(tmp_path: Path) -> None:
    """The C library keeps it back when its output is a file, and a process that ends without it loses it."""
    assert do(tmp_path, "native")[1] == "from native code\n"


@pytest.mark.parametrize(
    "rehearsing",
    ["print('rehearsing')", "import ctypes; ctypes.CDLL(None).printf(b'rehearsing\\n')"],
    indirect=True,
)
def test_what_a_rehearsal_prints_is_in_no_steps_log(tmp_path: Path, rehearsing: subprocess.Popen[bytes]) -> None:
    """Nor does it come again with each of them."""
    rehearsing.wait(10)

    _, said = do(tmp_path, "write", "x")

    assert said == ""


@pytest.mark.parametrize("rehearsing", [f"{PID_OF_SUCCESSOR}; raise SystemExit('no')"], indirect=True)
def test_a_server_outlives_a_rehearsal_that_fails(tmp_path: Path, rehearsing: subprocess.Popen[bytes]) -> None:
    """It tries once and serves as before."""
    successor = wait_for_successor()
    died = gone(successor)
    ended, _ = do(tmp_path, "tell")
    told = client.ask("status")

    assert died and ended.exit == 0
    assert told is not None and (told["pid"], told["rehearsed"]) == (rehearsing.pid, False)


@pytest.mark.parametrize("rehearsing", [HANGING], indirect=True)
def test_nobody_waits_for_a_rehearsal(tmp_path: Path, rehearsing: subprocess.Popen[bytes]) -> None:
    """Steps run beside it; the order to stop ends both."""
    successor = wait_for_successor()
    ended, _ = do(tmp_path, "tell")
    client.ask("stop")

    assert ended.exit == 0
    assert rehearsing.wait(10) == 0
    assert gone(successor)


@pytest.mark.parametrize("rehearsing", [HANGING], indirect=True)
def test_a_rehearsal_dies_with_its_server(rehearsing: subprocess.Popen[bytes]) -> None:
    """After kill -9 nothing holds the socket, so the next client starts a server."""
    successor = wait_for_successor()
    rehearsing.kill()

    assert gone(successor)
    assert client.ask("status") is None


@pytest.mark.parametrize("rehearsing", [f"{PID_OF_SUCCESSOR}; import time; time.sleep(0.5)"], indirect=True)
def test_a_step_runs_to_its_end_while_the_successor_takes_over(
    tmp_path: Path, rehearsing: subprocess.Popen[bytes]
) -> None:
    """The first server stays for as long as its last step."""
    wait_for_successor()
    with request(tmp_path, "hang") as asked:
        pids = wait_for_pids(tmp_path)
        while (told := client.ask("status")) is not None and told["pid"] == rehearsing.pid:
            time.sleep(0.01)
        running = [alive(pid) for pid in pids]
        asked.cancel()

    assert running == [True, True]
    assert told is not None and told["rehearsed"]
    assert rehearsing.wait(10) == 0
    assert gone(*pids)


def children_of(process: subprocess.Popen[bytes]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def wait_for_successor() -> int:
    """The process that rehearses."""
    file = Path(os.environ["XDG_RUNTIME_DIR"]) / "successor"
    while not (file.exists() and file.read_text()):
        time.sleep(0.01)
    return int(file.read_text())


def wait_for_pids(folder: Path) -> list[int]:
    file = folder / "pids"
    while not (file.exists() and len(file.read_text().split()) == 2):
        time.sleep(0.01)
    return [int(pid) for pid in file.read_text().split()]


def gone(*pids: int) -> bool:
    """Whether all of them end soon."""
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
