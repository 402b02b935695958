"""One step given to a cluster whose answers are strange: it runs here instead, or on another worker."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from etbuild.build_engine.cache.action import StoredFile
from etbuild.build_engine.dask import cluster as cluster_module
from etbuild.build_engine.dask import connecting
from etbuild.build_engine.dask.cluster import Cluster, RemoteStep
from etbuild.build_engine.dask.worker import Done, Job, Lacks
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.step import Step
from etbuild.errors import StepError
from etbuild.steps.kinds import KINDS

pytest.importorskip("distributed")

STEP = Step("header:r", (), ("model.pte",), ("build/model.h",))


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[RemoteStep]:
    """A step for a cluster that does not exist, in a sandbox of its own."""
    (tmp_path / "build").mkdir()
    (tmp_path / "model.pte").write_bytes(b"a model")
    log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    yield RemoteStep(Cluster("tcp://nowhere", print), Job(STEP, KINDS["header"], None, None, ()), tmp_path, log)
    os.close(log)


@pytest.fixture
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster always chooses tcp://w:1."""
    monkeypatch.setattr(Cluster, "worker", lambda self, step, kind: nullcontext("tcp://w:1"))


@pytest.mark.usefixtures("one_worker")
def test_a_worker_that_stores_nothing_is_not_asked_forever(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk may be full; this machine runs the step."""
    digest = hashlib.sha256(b"a model").hexdigest()
    monkeypatch.setattr(RemoteStep, "_ask", lambda self, *words: Lacks((digest,)))

    with pytest.raises(ProcessLost, match=r"^worker tcp://w:1 does not store what it is sent$"):
        remote.wait()


@pytest.mark.usefixtures("one_worker")
def test_an_output_with_another_digest_is_not_accepted(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step runs again here."""
    file = StoredFile("build/model.h", "", "0" * 64, 3, False)
    done = Done(ProcessResult(0, 0.1, 1), b"", (file,), (), {file.digest: b"bad"})
    monkeypatch.setattr(RemoteStep, "_ask", lambda self, *words: done)

    with pytest.raises(ProcessLost, match=r"^got other content of build/model\.h from a worker than it said$"):
        remote.wait()


class ForgettingClient:
    """Of a scheduler that has dropped a task with its worker, and still lists the worker."""

    status = "running"
    scheduler = Mock()

    def sync(self, question: object, n_workers: int, callback_timeout: float) -> dict[str, object]:
        return {"workers": {"tcp://w:1": {"nthreads": 1, "last_seen": 1.0}}}

    def submit(self, *words: object, **options: object) -> "ForgettingClient":
        return self

    def done(self) -> bool:
        return True

    def result(self, timeout: float) -> object:
        raise CancelledError("perform-1")


@pytest.mark.usefixtures("one_worker")
def test_a_task_that_was_dropped_is_a_lost_worker(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one runs the step, though the list of workers is out of date."""
    monkeypatch.setattr(Cluster, "client", lambda self: ForgettingClient())

    with pytest.raises(ProcessLost, match=r"^worker tcp://w:1 was lost, the 2\. time$"):
        remote.wait()


@pytest.mark.usefixtures("one_worker")
def test_a_step_that_was_stopped_is_not_given_to_another_worker(
    remote: RemoteStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a loss reported: Ctrl-C cancels the task."""
    monkeypatch.setattr(Cluster, "client", lambda self: ForgettingClient())
    remote.cancel()

    with pytest.raises(StepError, match=r"^header:r: stopped$"):
        remote.wait()


class FrozenClient(ForgettingClient):
    """Of a scheduler whose worker has stopped: it is in the list, and its heartbeat is an old one."""

    def done(self) -> bool:
        return False

    def exception(self, timeout: float) -> object:
        raise TimeoutError

    def cancel(self, force: bool) -> None:
        pass


@pytest.mark.usefixtures("one_worker")
def test_a_worker_without_a_heartbeat_is_lost(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler keeps a frozen one for minutes."""
    monkeypatch.setattr(Cluster, "client", lambda self: FrozenClient())
    monkeypatch.setattr(cluster_module, "SILENT_S", 0.3)
    monkeypatch.setattr(cluster_module, "POLL_S", 0.01)

    with pytest.raises(ProcessLost, match=r"^worker tcp://w:1 was lost, the 2\. time$"):
        remote.wait()


class StrangeClient:
    """Of a scheduler that answers what nobody foresaw."""

    status = "running"
    scheduler = Mock()

    def sync(self, question: object, n_workers: int, callback_timeout: float) -> object:
        raise RuntimeError("IOLoop is closed")


def test_after_any_error_of_a_cluster_the_step_runs_here(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build fails by its steps, never by its cluster."""
    monkeypatch.setattr(Cluster, "client", lambda self: StrangeClient())

    with pytest.raises(ProcessLost, match=r"^scheduler tcp://nowhere went away: RuntimeError: IOLoop is closed$"):
        remote.wait()


@pytest.mark.parametrize("address", ["tls://127.0.0.1:1", "nonsense://x", "tcp://", "http://127.0.0.1:1"])
def test_an_impossible_address_is_reported(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Dask's own message."""
    monkeypatch.setattr(connecting, "CONNECT_S", 0.2)

    with pytest.raises(ProcessLost, match=rf"^scheduler {address}: got .+, wanted it to answer$"):
        Cluster(address, print).client()


def test_a_scheduler_that_accepts_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does whoever leaves it wait: a search ends with its budget."""
    monkeypatch.setattr(connecting, "CONNECT_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        made = Cluster(address, print)
        with pytest.raises(ProcessLost, match=rf"^scheduler {address}: got .+, wanted it to answer$"):
            made.client()

        monkeypatch.setattr(connecting, "CONNECT_S", 60.0)
        other = Cluster(address, print)
        asking = threading.Thread(target=suppressed, args=(other.client,), daemon=True)
        asking.start()
        begin = time.monotonic()
        other.close()

        assert time.monotonic() - begin < 10


def suppressed(call: Callable[[], object]) -> None:
    with suppress(ProcessLost):
        call()
