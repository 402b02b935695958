"""A real Dask scheduler with real workers on loopback, for tests that build on them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from built_project import FakeProject

PATIENCE_S = 60
LOWER = "lower:net@tosa-u55"


@dataclass
class FakeCluster:
    """A scheduler and its workers, each worker with a folder of its own; each process leads a group of its own."""

    folder: Path
    environment: dict[str, str]
    port: int
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def begin(self) -> None:
        words = ("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show")
        self.scheduler = self._start("scheduler", words, self.environment)
        wait_for(lambda: "Scheduler at" in self.log("scheduler"))

    def add(self, name: str, **changed: str) -> None:
        """A worker that has joined when this returns. changed: its environment."""
        local = self.folder / name
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1", "--name", name, "--no-dashboard")
        words += ("--host", "127.0.0.1", "--local-directory", str(local), "--memory-limit", "0")
        self.workers[name] = self._start(name, words, {**self.environment, **changed})
        wait_for(lambda: "Registered to:" in self.log(name))

    def log(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def was_used(self, name: str) -> bool:
        """Whether the worker has stored content that it was sent."""
        return any(path.is_file() for path in (self.folder / name).glob("**/etbuild/store/v1/blobs/*/*"))

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)

    def end(self) -> None:
        for process in filter(None, [*self.workers.values(), self.scheduler]):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, name: str, words: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        self.folder.mkdir(exist_ok=True)
        dask = str(Path(sys.executable).with_name("dask"))
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [dask, *words], cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_begun(project: FakeProject, step: str, times: int = 1) -> None:
    """Until the step's process was started that many times."""
    ran = project.root / "ran"
    wait_for(lambda: ran.exists() and ran.read_text().split().count(step) == times)


def begun_hanging(project: FakeProject, cluster: FakeCluster) -> subprocess.Popen[bytes]:
    """doit, whose step LOWER hangs on a worker of the cluster."""
    project.behave({LOWER: "hang"})
    project.environment["ETBUILD_SCHEDULER"] = cluster.address
    process = subprocess.Popen(
        project.command(), cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until_begun(project, LOWER)
    return process


def leftovers(project: FakeProject) -> list[str]:
    """Processes of fake steps of this project."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                f"FAKE_RAN={project.root}" in (entry / "environ").read_text()
                and "fake_step.py" in (entry / "cmdline").read_text()
            ):
                found.append(entry.name)
    return found
