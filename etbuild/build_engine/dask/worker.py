"""A step as a Dask worker does it: inputs from its own store, a sandbox of its own, outputs handed back as content.

Below the worker's local folder, which Dask removes with it: etbuild/store (what it has seen), etbuild/sandbox.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.cache.action import StoredFile, files_of
from etbuild.build_engine.cache.store import Store, name_of
from etbuild.build_engine.launch import Processes, module_command
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.server.client import Ended, ServerLost

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

LOOK_S = 0.2


@dataclass(frozen=True)
class Job:
    """A step to be done elsewhere. command: its fresh process; None: its own module. files: its inputs' content."""

    step: Step
    command: tuple[str, ...] | None
    files: tuple[StoredFile, ...]


@dataclass(frozen=True)
class Lacks:
    """The worker has not seen these; the job has to come again with them."""

    digests: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """How the step ended, what it said, and what it left; content: by digest; folders: outputs that are one."""

    ended: Ended
    log: bytes
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    content: Mapping[str, bytes]


def perform(job: Job, sent: Mapping[str, bytes]) -> Lacks | Done:
    """Do the step in this worker's thread; its processes die when the task is cancelled or the worker leaves."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    return perform_in(Path(worker.local_directory) / "etbuild", job, sent, lambda: _wanted(worker, key))


def perform_in(base: Path, job: Job, sent: Mapping[str, bytes], wanted: Callable[[], bool]) -> Lacks | Done:
    """As `perform`, with the folder to do it in, and whether anybody still waits for the result."""
    store = Store(base / "store")
    for digest, data in sent.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{digest}: got other content, as the file changed while it was sent")
        store.write(name_of("blobs", digest), data)
    with Sandboxes(base / "sandbox").opened(job.step.kind) as (sandbox, alive):
        places = {file: sandbox / file.output / file.inner for file in job.files}
        lacking = [file.digest for file, place in places.items() if not store.take(file.digest, place, file.executable)]
        if lacking:
            return Lacks(tuple(dict.fromkeys(lacking)))
        for path in job.step.inputs:
            (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
            if path not in {Path(file.output) for file in job.files}:
                (sandbox / path).mkdir()  # A folder that was empty.
        for path in job.step.outputs:
            (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
        log = sandbox / "step.log"
        ended = _run(job, sandbox, log, alive, wanted)
        files = _left(job.step, sandbox) if ended.exit == 0 else ()
        places = {file: sandbox / file.output / file.inner for file in files}
        for file, place in places.items():
            store.put(place, file.digest)
        content = {file.digest: place.read_bytes() for file, place in places.items()}
        folders = tuple(str(path) for path in job.step.outputs if (sandbox / path).is_dir())
        return Done(ended, log.read_bytes(), files, folders, content)


def _run(job: Job, sandbox: Path, log: Path, alive: int, wanted: Callable[[], bool]) -> Ended:
    """By this machine's own warm server where one may serve, else by a process that dies with this thread."""
    warm = Processes()
    with _stopped_unless(wanted, warm):
        if job.command is None and warm.warm(job.step):
            try:
                return warm.run(job.step, sandbox, log, alive, way="warm")
            except ServerLost:
                pass  # A plain process does it.
    plain = Processes(lambda step: _bound(job))
    with _stopped_unless(wanted, plain):
        return plain.run(job.step, sandbox, log, alive, way="plain")


def _bound(job: Job) -> list[str]:
    """The plain command; killed by the kernel when this worker is, where util-linux is installed."""
    import sys

    command = list(job.command or [sys.executable, *module_command(job.step)])
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


@contextmanager
def _stopped_unless(wanted: Callable[[], bool], processes: Processes) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            if not wanted():
                processes.stop()
                return

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _wanted(worker: Any, key: str) -> bool:
    """Whether the task still runs for somebody; Dask itself never stops a thread."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status.name in ("running", "paused")


def _left(step: Step, sandbox: Path) -> tuple[StoredFile, ...]:
    """What of its outputs the step has written; what is missing is told where the step was planned."""
    outputs = tuple(path for path in step.outputs if (sandbox / path).exists())
    return tuple(files_of(replace(step, outputs=outputs), sandbox))
