"""Steps on the workers of a Dask scheduler: chooses a worker, sends what it lacks, brings back what it made.

It decides no failure: whatever goes wrong with the cluster is `ServerLost`, and the step runs on this machine.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.cache.action import files_of
from etbuild.build_engine.cache.store import create
from etbuild.build_engine.dask import identity
from etbuild.build_engine.dask.worker import Done, Job, Lacks, perform
from etbuild.build_engine.server.client import Ended, ServerLost
from etbuild.errors import MissingTool, StepError
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

CONNECT_S = 10
LOOK_S = 0.5
# Kinds that run the model in floating point.
FLOATING = frozenset({"quantize", "lower", "golden"})
# A step that takes down one worker after the other is not given to a third.
MOST_LOSSES = 2


class Cluster:
    """The scheduler at an address, reached when the first step asks for it; safe to share between threads.

    say: tells the user one line.
    """

    def __init__(self, address: str, say: Callable[[str], None]):
        self.address = address
        self.say = say
        self._guard = threading.Lock()
        self._client: Any = None
        self._gone = ""
        self._here: dict[str, str] = {}
        self._there: dict[str, dict[str, str]] = {}
        self._told: set[str] = set()
        self._busy: Counter[str] = Counter()

    def client(self) -> Any:
        """raises: ServerLost when the scheduler cannot be reached; it is asked once."""
        with self._guard:
            if self._client is None and not self._gone:
                self._connect()
            if self._gone:
                raise ServerLost(self._gone)
            return self._client

    def close(self) -> None:
        """Leave the scheduler; it cancels what this client still had there."""
        with self._guard:
            client, self._client, self._gone = self._client, None, "the scheduler was left"
        if client is not None:
            with suppress(Exception):  # Nothing is owed to a scheduler that does not answer.
                client.close(timeout=2)

    def alive(self, worker: str) -> bool:
        """raises: ServerLost when the scheduler itself is gone."""
        return worker in self._workers()

    @contextmanager
    def worker(self, step: Step) -> Iterator[str]:
        """The address of the worker with the most room that may do the step.

        raises: ServerLost when there is none.
        """
        threads = {worker: told["nthreads"] for worker, told in self._workers().items() if self._fits(worker, step)}
        if not threads:
            raise ServerLost(f"{self.address}: no worker that fits")
        with self._guard:
            chosen = min(threads, key=lambda worker: (self._busy[worker] / threads[worker], worker))
            self._busy[chosen] += 1
        try:
            yield chosen
        finally:
            with self._guard:
                self._busy[chosen] -= 1

    def _connect(self) -> None:
        try:
            import distributed
        except ImportError:
            raise MissingTool(
                f"scheduler {self.address}: got no Python package distributed, wanted it\n"
                "    pip install 'etbuild[dask]'"
            ) from None
        # What goes wrong with the cluster is told from here, a line a step, and not by a traceback at the end.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            _require_sense(self.address)
            self._client = distributed.Client(self.address, timeout=CONNECT_S, set_as_default=False)
            self._here = identity.identity()
        except Exception as error:  # Whatever an address, its protocol or Dask's settings lead to, steps run here.
            self._gone = f"scheduler {self.address}: got {_first_line(error)}, wanted it to answer"

    def _workers(self) -> dict[str, Any]:
        client = self.client()
        if client.status != "running":
            raise ServerLost(f"scheduler {self.address} went away")
        try:
            return dict(client.scheduler_info(n_workers=-1)["workers"])
        except Exception as error:  # As above.
            raise ServerLost(f"scheduler {self.address} went away: {_first_line(error)}") from error

    def _fits(self, worker: str, step: Step) -> bool:
        """Whether the worker would write the same bytes; what differs is said once a worker."""
        if worker not in self._there:
            try:
                answer = self.client().run(identity.of_fresh_process, workers=[worker], on_error="return")[worker]
            except ServerLost:
                raise
            except Exception:  # It may be gone already.
                return False
            if isinstance(answer, Exception):
                self._tell(worker, f"got {_first_line(answer)}, wanted a worker with etbuild")
                return False
            self._there[worker] = answer
        depends = [name for name in step.tools if name in tools.PROGRAMS]
        depends += ["processor"] if step.kind in FLOATING else []
        for difference in (found := identity.differences(self._here, self._there[worker], tuple(depends))):
            self._tell(worker, difference)
        return not found

    def _tell(self, worker: str, what: str) -> None:
        text = f"worker {worker} is refused: {what}"
        with self._guard:
            new = text not in self._told
            self._told.add(text)
        if new:
            self.say(text)


class RemoteStep:
    """One step given to the cluster; `wait` for its end, or `cancel` it from another thread."""

    def __init__(self, cluster: Cluster, command: Callable[[Step], list[str]] | None):
        self._cluster = cluster
        self._command = command
        self._cancelled = threading.Event()
        self._future: Any = None

    def given(self, step: Step, sandbox: Path, log: int, alive: int) -> RemoteStep:
        """Say what is to be done, as the other ways of doing a step are told."""
        self._step, self._sandbox, self._log = step, sandbox, log
        return self

    def wait(self) -> Ended:
        """raises: ServerLost when no worker has done it."""
        inputs = tuple(files_of(replace(self._step, outputs=self._step.inputs), self._sandbox))
        command = tuple(self._command(self._step)) if self._command else None
        job = Job(self._step, command, inputs)
        for loss in range(1, MOST_LOSSES + 1):
            try:
                with self._cluster.worker(self._step) as worker:
                    done = self._done(job, worker)
                break
            except _WorkerLost as lost:
                if loss == MOST_LOSSES:
                    raise ServerLost(f"{lost}, the {loss}. time") from lost
                self._cluster.say(f"{self._step.name}: {lost}; another worker does it")
        self._take(done)
        return done.ended

    def cancel(self) -> None:
        """The worker kills the step with all its children."""
        self._cancelled.set()
        if self._future is not None:
            with suppress(Exception):  # The scheduler may be gone already.
                self._future.cancel(force=True)

    def _done(self, job: Job, worker: str) -> Done:
        sent: dict[str, bytes] = {}
        given: set[str] = set()
        while True:
            answer = self._ask(job, sent, worker)
            if isinstance(answer, Done):
                if answer.ended.exit < 0:
                    raise _WorkerLost(f"its process was killed by signal {-answer.ended.exit} on {worker}")
                return answer
            assert isinstance(answer, Lacks)
            if not given.isdisjoint(answer.digests):
                raise ServerLost(f"worker {worker} does not keep what it is sent")
            given.update(answer.digests)
            places = {file.digest: self._sandbox / file.output / file.inner for file in job.files}
            sent = {digest: places[digest].read_bytes() for digest in answer.digests}

    def _ask(self, job: Job, sent: dict[str, bytes], worker: str) -> object:
        """The worker's answer; looked for now and then, as a worker that is gone never gives one."""
        from concurrent.futures import CancelledError

        client = self._cluster.client()
        try:
            content = client.scatter([sent], workers=[worker], hash=False)[0] if sent else {}
            self._future = client.submit(perform, job, content, workers=[worker], pure=False)
            while not self._future.done():
                if self._cancelled.is_set():
                    self.cancel()
                    raise StepError(f"{self._step.name}: stopped")
                with suppress(TimeoutError):
                    self._future.exception(timeout=LOOK_S)
                if not self._future.done() and not self._cluster.alive(worker):
                    self._future.cancel(force=True)
                    raise _WorkerLost(f"worker {worker} was lost")
            return self._future.result(timeout=60)
        except (ServerLost, StepError, _WorkerLost):
            raise
        except Exception as error:  # Whatever a cluster throws, the step runs here.
            if self._cancelled.is_set():
                raise StepError(f"{self._step.name}: stopped") from error
            # A task is dropped with its worker; the list of workers may be behind.
            if not self._cluster.alive(worker) or isinstance(error, CancelledError):
                raise _WorkerLost(f"worker {worker} was lost") from error
            raise ServerLost(f"worker {worker}: got {_first_line(error)}") from error

    def _take(self, done: Done) -> None:
        """Write what came back into the sandbox: only below the step's outputs, only what its digest says."""
        with open(self._log, "wb", closefd=False) as log:
            log.write(done.log)
        outputs = set(map(str, self._step.outputs))
        for file in done.files:
            place = self._sandbox / file.output / file.inner
            if file.output not in outputs or not place.resolve().is_relative_to(self._sandbox.resolve()):
                raise ServerLost(f"got {file.output}/{file.inner} from a worker, wanted the step's outputs")
            content = done.content.get(file.digest, b"")
            if hashlib.sha256(content).hexdigest() != file.digest:
                raise ServerLost(f"got other content of {file.output} from a worker than it said")
            with create(place, file.executable) as new:
                new.write(content)
        for folder in outputs & set(done.folders):
            (self._sandbox / folder).mkdir(exist_ok=True)


def _require_sense(address: str) -> None:
    """A client that could never be connected is not made: it would hold up the end of the process.

    raises: ValueError for an address that is none, or whose means are missing.
    """
    from distributed import Security
    from distributed.comm.addressing import get_address_host_port

    get_address_host_port(address)
    if address.startswith("tls:") and not Security().get_connection_args("client").get("ssl_context"):
        raise ValueError("no certificates in Dask's settings (DASK_DISTRIBUTED__COMM__TLS__...)")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")


class _WorkerLost(Exception):  # noqa: N818 - no error of the user's: another worker follows
    """A worker went away with the step."""
