"""A step on a Dask worker: inputs from the worker's own store, a sandbox of its own, outputs sent back as content.

Below the worker's local folder, which Dask removes with it: etbuild/store (content received so far), etbuild/sandbox.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.cache.action import StoredFile, files_of
from etbuild.build_engine.cache.store import Store, name_of
from etbuild.build_engine.live import followed
from etbuild.build_engine.local import LocalProcess, ProcessLost, ProcessResult, step_command
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.server.client import Request
from etbuild.build_engine.step_outputs import open_output
from etbuild.errors import StepError
from etbuild.system import environment

if TYPE_CHECKING:
    from etbuild.build_engine.server.protocol import ServerSpec
    from etbuild.build_engine.step import Step, StepKind

POLL_S = 0.2


@dataclass(frozen=True)
class Job:
    """A step for a worker.

    command: its fresh process; None: the kind's module. server: whose children may run it; None for none.
    files:   the content of its inputs.
    topic:   of Dask's events that send the log while it is written, as offset and bytes; "" for none.
    """

    step: Step
    kind: StepKind
    command: tuple[str, ...] | None
    server: ServerSpec | None
    files: tuple[StoredFile, ...]
    topic: str = ""


@dataclass(frozen=True)
class Lacks:
    """The worker's store does not have this content; the job has to be sent again with it."""

    digests: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """How the step ended, its log, and what it wrote. content: by digest; folders: outputs that are folders."""

    result: ProcessResult
    log: bytes
    files: tuple[StoredFile, ...]
    folders: tuple[str, ...]
    content: Mapping[str, bytes]


def perform(job: Job, sent: Mapping[str, bytes]) -> Lacks | Done:
    """Run the step in this worker's thread; its processes die when the task is cancelled or the worker leaves."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def send(at: int, data: bytes) -> None:
        worker.log_event(job.topic, (at, data))

    folder = Path(worker.local_directory) / "etbuild"
    return perform_in(folder, job, sent, lambda: _is_wanted(worker, key), send if job.topic else None)


def perform_in(
    base: Path,
    job: Job,
    sent: Mapping[str, bytes],
    wanted: Callable[[], bool],
    send: Callable[[int, bytes], None] | None = None,
) -> Lacks | Done:
    """As `perform`, with the folder to work in, and whether anybody still waits for the result.

    send: gets what is appended to the log.
    """
    store = Store(base / "store")
    for digest, data in sent.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{digest}: got other content, as the file changed while it was sent")
        store.write(name_of("blobs", digest), data)
    with Sandboxes(base / "sandbox").opened(job.step.kind) as (sandbox, alive):
        targets = {file: sandbox / file.output / file.inner for file in job.files}
        lacking = [
            file.digest for file, target in targets.items() if not store.get(file.digest, target, file.executable)
        ]
        if lacking:
            return Lacks(tuple(dict.fromkeys(lacking)))
        _create_folders(job, sandbox)
        log = sandbox / "step.log"
        log.touch()
        with followed(log, send) if send else nullcontext():
            result = _run(job, sandbox, log, alive, wanted)
        files = _written(job.step, sandbox) if result.exit == 0 else ()
        if files and (still := open_output(job.step, sandbox)):
            result, files = result._replace(exit=StepError.exit_code), ()
            with log.open("a", encoding="utf-8") as output:
                output.write(f"{still}\n")
        sources = {file: sandbox / file.output / file.inner for file in files}
        for file, source in sources.items():
            store.put(source, file.digest)
        content = {file.digest: source.read_bytes() for file, source in sources.items()}
        folders = tuple(path for path in job.step.outputs if (sandbox / path).is_dir())
        return Done(result, log.read_bytes(), files, folders, content)


def _create_folders(job: Job, sandbox: Path) -> None:
    """Input folders that are empty, and the folders of outputs."""
    sent = {file.output for file in job.files}
    for path in job.step.inputs:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
        if path not in sent:
            (sandbox / path).mkdir()
    for path in job.step.outputs:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)


def _run(job: Job, sandbox: Path, log: Path, alive: int, wanted: Callable[[], bool]) -> ProcessResult:
    """In a child of this machine's own compile server where one may run it, else in a process of this thread."""
    with log.open("wb") as output:
        files = (sandbox, output.fileno(), alive)
        if job.server is not None and job.command is None and job.kind.warm and environment.server_allowed():
            try:
                return _result(Request(job.server, job.step, job.kind.module, files), wanted)
            except ProcessLost:
                if not wanted():  # It was cancelled. Otherwise a plain process runs it, and begins the log again.
                    raise
                os.lseek(output.fileno(), 0, os.SEEK_SET)
                os.ftruncate(output.fileno(), 0)
        return _result(LocalProcess(_bound_command(job), *files), wanted)


def _bound_command(job: Job) -> list[str]:
    """The plain command; killed by the kernel when this worker is, where util-linux is installed."""
    command = list(job.command or step_command(job.step, job.kind))
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def _result(process: Request | LocalProcess, wanted: Callable[[], bool]) -> ProcessResult:
    with _cancelled_unless(wanted, process):
        return process.wait()


@contextmanager
def _cancelled_unless(wanted: Callable[[], bool], process: Request | LocalProcess) -> Iterator[None]:
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL_S):
            if not wanted():
                process.cancel()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _is_wanted(worker: Any, key: str) -> bool:
    """Whether a client still waits for the task; Dask itself never stops a thread."""
    task = worker.state.tasks.get(key)
    return task is not None and task.state == "executing" and worker.status.name in ("running", "paused")


def _written(step: Step, sandbox: Path) -> tuple[StoredFile, ...]:
    """Which outputs the step has written; a missing one is reported where the step was planned."""
    outputs = tuple(path for path in step.outputs if (sandbox / path).exists())
    return tuple(files_of(outputs, sandbox))
