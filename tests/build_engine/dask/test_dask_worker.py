"""A step on a worker without a cluster: which process runs it, and what happens when nobody waits for it any more."""

import os
import sys
import threading
from pathlib import Path

import pytest

from etbuild.build_engine.dask import worker
from etbuild.build_engine.dask.worker import Job
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.step import Step
from etbuild.steps.kinds import KINDS
from etbuild.steps.server import SERVER

JOB = Job(Step("vela:net@a", (), (), ()), KINDS["vela"], None, SERVER, ())


class LostRequest:
    """A step in the compile server that is lost, at the latest when it is cancelled."""

    def __init__(self, spec: object, step: object, module: str, files: tuple[Path, int, int]):
        os.write(files[1], b"output of the lost child\n")
        self._over = threading.Event()

    def wait(self) -> ProcessResult:
        self._over.wait(0.5)
        raise ProcessLost("the compile server went away: the other side closed")

    def cancel(self) -> None:
        self._over.set()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories of the plain processes that were started; each ends at once."""
    folders: list[str] = []

    class PlainProcess:
        def __init__(self, command: list[str], sandbox: Path, log: int, alive: int):
            folders.append(sandbox.parent.name)
            os.write(log, b"plain\n")

        def wait(self) -> ProcessResult:
            return ProcessResult(0, 0.1, 1)

        def cancel(self) -> None:
            pass

    monkeypatch.setattr(worker, "LocalProcess", PlainProcess)
    monkeypatch.setattr(worker, "Request", LostRequest)
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    monkeypatch.delenv("ETBUILD_SERVER", raising=False)
    return folders


def test_a_plain_process_runs_a_step_that_the_server_has_lost(started: list[str], tmp_path: Path) -> None:
    """As on the machine of the build."""
    done = worker.perform_in(tmp_path, JOB, {}, lambda: True)

    assert isinstance(done, worker.Done) and done.result == ProcessResult(0, 0.1, 1)
    assert done.log == b"plain\n"
    assert started == ["sandbox"]


def test_no_process_is_started_for_a_step_that_was_cancelled(started: list[str], tmp_path: Path) -> None:
    """Cancelling looks like a loss of the server."""
    with pytest.raises(ProcessLost, match=r"^the compile server went away: the other side closed$"):
        worker.perform_in(tmp_path, JOB, {}, lambda: False)

    assert started == []


def test_an_output_that_is_still_open_is_not_sent(tmp_path: Path) -> None:
    """The step fails on its worker, and its log says why."""
    program = "import os, time\nfile = open('build/v.bin', 'w')\nif not os.fork():\n    os.setsid()\n    time.sleep(5)"
    step = Step("vela:net@a", (), (), ("build/v.bin",))
    job = Job(step, KINDS["vela"], (sys.executable, "-c", program), None, ())

    done = worker.perform_in(tmp_path, job, {}, lambda: True)

    assert isinstance(done, worker.Done) and (done.result.exit, done.files) == (1, ())
    assert done.log.startswith(b"build/v.bin: a process that vela:net@a left behind has it open for writing\n")
