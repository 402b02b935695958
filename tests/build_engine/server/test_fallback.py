"""A step whose server is lost runs in a plain process: with a message, and the same bytes."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from running_server import run, server, socket_path, start

from etbuild.build_engine import launch
from etbuild.build_engine.execute import Executor
from etbuild.build_engine.launch import Programs
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.server import client, progress, protocol
from etbuild.build_engine.server.client import ServerSilent
from etbuild.build_engine.server.protocol import ServerSpec
from etbuild.build_engine.workspace import Workspace
from etbuild.errors import StepError
from etbuild.hardware.target import Target
from etbuild.recipe.model_sections import Model
from etbuild.recipe.recipe import Recipe
from etbuild.steps import sweep
from etbuild.steps.kinds import KINDS
from etbuild.steps.server import SERVER

__all__ = ["server"]

# The one step that needs no compiler, as one that the server may run.
WARM_KINDS = KINDS | {"sweep": KINDS["sweep"]._replace(warm=True)}
STEP = sweep.step(Recipe("net", (), Model(), (Target("cpu", "none", "cpu"),)))
MANIFEST = {
    "pte": {"bytes": 8, "sha256": "0" * 64},
    "target": {
        "npu": "none",
        "system_config": "",
        "memory_mode": "",
        "optimise": "Performance",
        "arena_cache_size_bytes": None,
    },
    "operators": {"npu_share": 0.0},
    "memory": {
        "planned_bytes": [4],
        "constant_bytes": 0,
        "scratch_bytes": 0,
        "fast_scratch_bytes": 0,
        "weight_bytes": 0,
        "command_bytes": 0,
    },
    "macs": 0,
}


class NoServer:
    """No server could be reached or started."""

    def __init__(self, *_: object):
        raise ProcessLost("no compile server: [Errno 13] Permission denied")


class KilledChild:
    """Its child wrote half of the outputs and was killed."""

    def __init__(self, spec: object, step: object, module: str, files: tuple[Path, int, int]):
        (files[0] / "build/net/sweep.json").write_text("{half")

    def wait(self) -> ProcessResult:
        raise ProcessLost("the compile server's child was killed by signal 9")


class FailedStep:
    """The server ran the step, which failed."""

    def __init__(self, *_: object):
        pass

    def wait(self) -> ProcessResult:
        return ProcessResult(1, 0.1, 1 << 20)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of two projects, "warm" and "plain", with the input of the one step."""
    monkeypatch.delenv("ETBUILD_SERVER", raising=False)
    for folder in ("warm", "plain"):
        (tmp_path / folder / "build/net/cpu").mkdir(parents=True)
        (tmp_path / folder / "build/net/cpu/manifest.json").write_text(json.dumps(MANIFEST))
    return tmp_path


def executor(root: Path) -> Executor:
    return Executor(Workspace(root, WARM_KINDS), Programs(WARM_KINDS, SERVER))


def written(project: Executor) -> list[bytes]:
    return [(project.workspace.root / path).read_bytes() for path in STEP.outputs]


@pytest.mark.parametrize(
    ("request_class", "reason"),
    [
        (NoServer, "no compile server: [Errno 13] Permission denied"),
        (KilledChild, "the compile server's child was killed by signal 9"),
    ],
)
def test_a_lost_server_only_costs_time(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request_class: type,
    reason: str,
) -> None:
    """One line on stderr, and what a build without a server writes."""
    monkeypatch.setattr(launch, "Request", request_class)
    warm = executor(root / "warm")
    outcome = warm.run(STEP)
    printed = capsys.readouterr().err
    monkeypatch.setenv("ETBUILD_SERVER", "off")
    plain = executor(root / "plain")
    plain.run(STEP)

    assert outcome.how == "ran"
    assert printed == f"sweep:net: {reason}; a plain process does it\n"
    assert written(warm) == written(plain)
    assert list((warm.workspace.state / "sandbox").iterdir()) == []


def test_a_step_that_failed_in_the_server_is_not_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its failure is its own."""
    monkeypatch.setattr(launch, "Request", FailedStep)

    with pytest.raises(StepError, match=r"^sweep:net ended with exit code 1"):
        executor(root / "warm").run(STEP)
    assert capsys.readouterr().err == ""


def test_no_server_is_asked_when_it_is_switched_off(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETBUILD_SERVER=off."""
    monkeypatch.setattr(launch, "Request", NoServer)
    monkeypatch.setenv("ETBUILD_SERVER", "off")

    assert executor(root / "warm").run(STEP).how == "ran"


def test_a_stopped_server_costs_seconds_and_the_step_runs_in_a_plain_process(
    tmp_path: Path, server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client asks whether its server still answers, and gives up a server that does not."""
    monkeypatch.setattr(client, "ASK_AFTER_S", 0.1)
    monkeypatch.setattr(client, "ANSWER_S", 0.5)
    while not protocol.serves(socket_path()):
        time.sleep(0.01)
    server.send_signal(signal.SIGSTOP)
    begin = time.monotonic()

    with pytest.raises(ServerSilent, match=r"^the compile server does not answer$"):
        run(tmp_path, "print")

    assert time.monotonic() - begin < 5


def test_a_slow_step_of_a_server_that_answers_is_waited_for(
    tmp_path: Path, server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the client has to ask."""
    monkeypatch.setattr(client, "ASK_AFTER_S", 0.02)

    result, _ = run(tmp_path, "fork")

    assert (result.exit, result.seconds > 0.1, server.poll()) == (5, True, None)


def test_a_server_that_is_still_importing_is_waited_for(
    tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers nobody yet, and its socket says so."""
    monkeypatch.setattr(client, "ASK_AFTER_S", 0.02)
    monkeypatch.setattr(client, "ANSWER_S", 0.02)
    monkeypatch.setenv("FAKE_PRELOAD_S", "1")
    process = start(60)
    serves_at_first = protocol.serves(socket_path())

    result, _ = run(tmp_path, "print")
    serves_then = protocol.serves(socket_path())
    process.kill()
    process.wait()

    assert (result.exit, serves_at_first, serves_then) == (0, False, True)


@pytest.mark.parametrize("how", ["stopped", "asleep"])
def test_a_server_that_makes_no_progress_with_its_imports_costs_seconds(
    tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Stopped, or stuck: seen in the state of its process, though it may still take a minute for them."""
    monkeypatch.setattr(progress, "STOPPED_S" if how == "stopped" else "ASLEEP_S", 0.5)
    monkeypatch.setenv("FAKE_PRELOAD_S", "600")
    process = start(60)
    if how == "stopped":
        process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()

    with pytest.raises(ServerSilent, match=r"^the compile server does not answer$"):
        run(tmp_path, "print")
    with pytest.raises(TimeoutError, match=r"^no progress$"):
        client.ask(SERVER, "status")
    seconds = time.monotonic() - begin
    process.kill()
    process.wait()

    assert seconds < 10


def test_a_server_that_is_busy_with_its_imports_is_waited_for(
    tmp_path: Path, run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long they take on a slow machine: it runs, or waits for a processor."""
    monkeypatch.setattr(progress, "STOPPED_S", 0.1)
    monkeypatch.setattr(progress, "ASLEEP_S", 0.1)
    monkeypatch.setattr(client, "LOOK_S", 0.05)
    monkeypatch.setenv("FAKE_PRELOAD", "busy")
    monkeypatch.setenv("FAKE_PRELOAD_S", "1")
    process = start(60)

    result, _ = run(tmp_path, "print")
    process.kill()
    process.wait()

    assert result.exit == 0


def test_a_server_that_is_stopped_before_it_listens_costs_seconds(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    """It is killed; the build does not start another one."""
    monkeypatch.setattr(progress, "STOPPED_S", 0.1)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "fakes"))
    project = Executor(Workspace(root / "warm", WARM_KINDS), Programs(WARM_KINDS, ServerSpec("stopped_server", ())))
    begin = time.monotonic()
    project.run(STEP)
    project.run(STEP, forced=True)

    assert time.monotonic() - begin < 20
    assert capsys.readouterr().err == "sweep:net: the compile server does not answer; a plain process does it\n"


class SilentServer:
    """It took the step, and does not answer."""

    asked = 0

    def __init__(self, *_: object):
        SilentServer.asked += 1

    def wait(self) -> ProcessResult:
        raise ServerSilent("the compile server does not answer")


def test_a_silent_server_is_asked_once_in_a_build(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every further step would wait for nothing."""
    monkeypatch.setattr(launch, "Request", SilentServer)
    monkeypatch.setattr(SilentServer, "asked", 0)
    project = executor(root / "warm")
    project.run(STEP)
    project.run(STEP, forced=True)

    assert SilentServer.asked == 1
    assert capsys.readouterr().err == "sweep:net: the compile server does not answer; a plain process does it\n"
