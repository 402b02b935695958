"""Steps on the workers of a Dask scheduler: chooses a worker, sends the inputs that it lacks, fetches the outputs.

It never decides that a step failed: whatever goes wrong with the cluster is ProcessLost, and the step runs here.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.cache.action import files_of
from etbuild.build_engine.cache.store import create
from etbuild.build_engine.dask import connecting, identity
from etbuild.build_engine.dask.identities import Identities
from etbuild.build_engine.dask.worker import Done, Job, Lacks, perform
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.errors import MissingTool, StepError, first_line
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step, StepKind

# How long the scheduler may take to say who its workers are.
ANSWER_S = 30
# A worker whose heartbeat has stopped, which comes every few seconds.
SILENT_S = 60
POLL_S = 0.5
# A step during which two workers were lost, perhaps because of it, is not sent to a third.
MOST_LOSSES = 2


class Cluster:
    """The workers of the scheduler at an address, connected when the first step asks; safe to share between threads.

    say: shows the user one line.
    """

    def __init__(self, address: str, say: Callable[[str], None]):
        self.address = address
        self.say = say
        self._guard, self._connecting = threading.Lock(), threading.Lock()
        self._client: Any = None
        self._unreachable = ""
        self._identities: Identities | None = None
        self._busy: Counter[str] = Counter()

    def client(self) -> Any:
        """raises: ProcessLost when the scheduler cannot be reached; it is asked once."""
        with self._connecting:
            if self._client is None and not self._unreachable:
                self._connect()
            if self._unreachable:
                raise ProcessLost(self._unreachable)
            return self._client

    def close(self) -> None:
        """Disconnect from the scheduler, which cancels the remaining tasks of this client."""
        self._unreachable = "the scheduler was left"
        if not self._connecting.acquire(timeout=connecting.GOODBYE_S):
            # It does not answer, so there is nothing to leave.
            return
        client, self._client = self._client, None
        self._connecting.release()
        if client is not None:
            connecting.leave(client)

    def last_seen(self, worker: str) -> float | None:
        """When the worker was heard of, by the scheduler's clock in seconds; None when it is gone.

        raises: ProcessLost when the scheduler itself is gone.
        """
        found = self._workers().get(worker)
        return None if found is None else float(found["last_seen"])

    def threads(self, step: Step, kind: StepKind, wait: bool = True) -> dict[str, int]:
        """How many threads each worker has that may run the step, by address. wait: as of Identities.fitting.

        raises: ProcessLost when the scheduler cannot be reached.
        """
        workers = self._workers()
        depends = [name for name in step.tools if name in tools.PROGRAMS]
        depends += ["processor"] if kind.floating_point else []
        assert self._identities is not None
        starts = {worker: str(info["local_directory"]) for worker, info in workers.items()}
        return {worker: workers[worker]["nthreads"] for worker in self._identities.fitting(starts, depends, wait)}

    @contextmanager
    def worker(self, step: Step, kind: StepKind) -> Iterator[str]:
        """The address of the least busy worker that may run the step.

        raises: ProcessLost when there is none.
        """
        threads = self.threads(step, kind)
        if not threads:
            raise ProcessLost(f"{self.address}: no worker that fits")
        with self._guard:
            chosen = min(threads, key=lambda worker: (self._busy[worker] / threads[worker], worker))
            self._busy[chosen] += 1
        try:
            yield chosen
        finally:
            with self._guard:
                self._busy[chosen] -= 1

    @contextmanager
    def log_written(self, topic: str, log: int) -> Iterator[None]:
        """Inside this context what workers send with a topic is written to the log. topic: "" for nothing.

        raises: ProcessLost when the scheduler cannot be reached.
        """
        if not topic:
            yield
            return
        client, guard, open_ = self.client(), threading.Lock(), [True]

        def write(event: tuple[float, tuple[int, bytes]]) -> None:
            at, data = event[1]
            with guard:
                if open_:
                    if at == 0:  # The first part, perhaps of another worker after the first was lost.
                        os.ftruncate(log, 0)
                    os.pwrite(log, data, at)

        client.subscribe_topic(topic, write)
        try:
            yield
        finally:
            with guard:
                open_.clear()
            with suppress(Exception):  # The scheduler may be gone already.
                client.unsubscribe_topic(topic)

    def _connect(self) -> None:
        try:
            self._identities = Identities(identity.identity(), self._identity_of, self.say)
            client = connecting.connected(self.address)
            if self._unreachable:  # Left meanwhile.
                connecting.leave(client)
            else:
                self._client = client
        except MissingTool:
            raise
        except Exception as error:  # Whatever goes wrong with an address or Dask's settings: steps run here.
            self._unreachable = f"scheduler {self.address}: got {first_line(error)}, wanted it to answer"

    def _workers(self) -> dict[str, Any]:
        client = self.client()
        if client.status != "running":
            raise ProcessLost(f"scheduler {self.address} went away")
        try:
            # Not scheduler_info(): every two seconds, between its question and its answer, the client's own update of
            # the same attribute may come, which asks for no workers.
            found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
            return dict(found["workers"])
        except Exception as error:  # As above.
            raise ProcessLost(f"scheduler {self.address} went away: {first_line(error)}") from error

    def _identity_of(self, worker: str) -> Any:
        answer = self.client().run(identity.of_fresh_process, workers=[worker], on_error="return")[worker]
        if isinstance(answer, (OSError, subprocess.SubprocessError)):  # Dask answers so for a worker that is gone, too.
            raise answer
        return answer


class RemoteStep:
    """One step given to the cluster; `wait` for its end, or `cancel` it from another thread.

    job:     the step; its inputs' content is read from the sandbox.
    is_live: the log grows while the step runs, else it is written at the end.
    """

    def __init__(self, cluster: Cluster, job: Job, sandbox: Path, log: int, is_live: bool = False):
        self._cluster = cluster
        self._job = job
        self._sandbox = sandbox
        self._log = log
        self._topic = f"etbuild-log-{uuid.uuid4()}" if is_live else ""
        self._cancelled = threading.Event()
        self._future: Any = None

    def wait(self) -> ProcessResult:
        """raises: ProcessLost when no worker has run it."""
        step = self._job.step
        job = replace(self._job, files=tuple(files_of(step.inputs, self._sandbox)), topic=self._topic)
        with self._cluster.log_written(self._topic, self._log):
            done = self._attempts(job)
        self._write_outputs(done)
        return done.result

    def _attempts(self, job: Job) -> Done:
        step = job.step
        for loss in range(1, MOST_LOSSES + 1):
            try:
                with self._cluster.worker(step, job.kind) as worker:
                    return self._done(job, worker)
            except _WorkerLost as lost:
                if loss == MOST_LOSSES:
                    raise ProcessLost(f"{lost}, the {loss}. time") from lost
                self._cluster.say(f"{step.name}: {lost}; another worker does it")
        raise AssertionError("the last loss was raised")

    def cancel(self) -> None:
        """The worker kills the step with all its children."""
        self._cancelled.set()
        if self._future is not None:
            with suppress(Exception):  # The scheduler may be gone already.
                self._future.cancel(force=True)

    def _done(self, job: Job, worker: str) -> Done:
        sent: dict[str, bytes] = {}
        already_sent: set[str] = set()
        while True:
            answer = self._ask(job, sent, worker)
            if isinstance(answer, Done):
                if answer.result.exit < 0:
                    raise _WorkerLost(f"its process was killed by signal {-answer.result.exit} on {worker}")
                return answer
            assert isinstance(answer, Lacks)
            if not already_sent.isdisjoint(answer.digests):
                raise ProcessLost(f"worker {worker} does not store what it is sent")
            already_sent.update(answer.digests)
            paths = {file.digest: self._sandbox / file.output / file.inner for file in job.files}
            sent = {digest: paths[digest].read_bytes() for digest in answer.digests}

    def _ask(self, job: Job, sent: dict[str, bytes], worker: str) -> object:
        """The worker's answer, polled: a worker that is gone never sends one."""
        client, heard = self._cluster.client(), _Heard(self._cluster, worker)
        try:
            content = client.scatter([sent], workers=[worker], hash=False)[0] if sent else {}
            self._future = client.submit(perform, job, content, workers=[worker], pure=False)
            while not self._future.done():
                if self._cancelled.is_set():
                    self.cancel()
                    raise StepError(f"{self._job.step.name}: stopped")
                with suppress(TimeoutError):
                    self._future.exception(timeout=POLL_S)
                if not self._future.done() and heard.is_lost():
                    self._future.cancel(force=True)
                    raise _WorkerLost(f"worker {worker} was lost")
            return self._future.result(timeout=60)
        except (ProcessLost, StepError, _WorkerLost):
            raise
        except Exception as error:  # Whatever the cluster raises, the step runs here.
            if self._cancelled.is_set():
                raise StepError(f"{self._job.step.name}: stopped") from error
            # A task is cancelled with its worker; the list of workers may be out of date.
            if heard.is_lost() or isinstance(error, CancelledError):
                raise _WorkerLost(f"worker {worker} was lost") from error
            raise ProcessLost(f"worker {worker}: got {first_line(error)}") from error

    def _write_outputs(self, done: Done) -> None:
        """Write what came back into the sandbox: only below the step's outputs, only content with its digest."""
        with open(self._log, "wb", closefd=False) as log:
            log.write(done.log)
        outputs = set(self._job.step.outputs)
        for file in done.files:
            target = self._sandbox / file.output / file.inner
            if file.output not in outputs or not target.resolve().is_relative_to(self._sandbox.resolve()):
                raise ProcessLost(f"got {file.output}/{file.inner} from a worker, wanted the step's outputs")
            content = done.content.get(file.digest, b"")
            if hashlib.sha256(content).hexdigest() != file.digest:
                raise ProcessLost(f"got other content of {file.output} from a worker than it said")
            with create(target, file.executable) as new:
                new.write(content)
        for folder in outputs & set(done.folders):
            (self._sandbox / folder).mkdir(exist_ok=True)


class _Heard:
    """Whether a worker is still heard of: a frozen one stays in the scheduler's list for long."""

    def __init__(self, cluster: Cluster, worker: str) -> None:
        self._cluster, self._worker = cluster, worker
        self._last, self._since = -1.0, time.monotonic()

    def is_lost(self) -> bool:
        """raises: ProcessLost when the scheduler itself is gone."""
        last = self._cluster.last_seen(self._worker)
        if last is not None and last != self._last:
            self._last, self._since = last, time.monotonic()
        return last is None or time.monotonic() - self._since > SILENT_S


class _WorkerLost(Exception):  # noqa: N818 - no error of the user's: another worker follows
    """A worker went away with the step."""
