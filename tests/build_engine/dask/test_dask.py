"""Steps on a real scheduler's workers, each a process with a folder of its own; the steps are stand-ins."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from built_project import ALL, FakeProject

from etbuild.build_engine.cache.action import StoredFile
from etbuild.build_engine.dask import cluster as cluster_module
from etbuild.build_engine.dask.cluster import Cluster, RemoteStep
from etbuild.build_engine.dask.worker import Done, Lacks
from etbuild.build_engine.local import ProcessLost, ProcessResult
from etbuild.build_engine.step import Step
from etbuild.errors import StepError

pytest.importorskip("distributed")

PATIENCE_S = 60
LOWER = "lower:net@tosa-u55"


@dataclass
class FakeCluster:
    """A scheduler and its workers on loopback; each process leads a group of its own."""

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
        wait_for(lambda: "Scheduler at" in self.said("scheduler"))

    def add(self, name: str, **changed: str) -> None:
        """A worker that has joined when this returns."""
        place = self.folder / name
        words = ("worker", self.address, "--no-nanny", "--nthreads", "1", "--name", name, "--no-dashboard")
        words += ("--host", "127.0.0.1", "--local-directory", str(place), "--memory-limit", "0")
        self.workers[name] = self._start(name, words, {**self.environment, **changed})
        wait_for(lambda: "Registered to:" in self.said(name))

    def said(self, name: str) -> str:
        file = self.folder / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def did(self, name: str) -> bool:
        """Whether the worker keeps content that it was sent."""
        return any(path.is_file() for path in (self.folder / name).glob("**/etbuild/store/v1/blobs/*/*"))

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


def wait_for(true: object, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path) -> FakeProject:
    return FakeProject(tmp_path / "project")


@pytest.fixture
def cluster(tmp_path: Path, project: FakeProject) -> Iterator[FakeCluster]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = FakeCluster(tmp_path / "cluster", project.environment, free.getsockname()[1])
    try:
        made.begin()
        yield made
    finally:
        made.end()


def wait_until_begun(project: FakeProject, step: str) -> None:
    ran = project.root / "ran"
    wait_for(lambda: ran.exists() and step in ran.read_text().split())


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


def test_two_workers_build_the_same_bytes_as_this_machine(project: FakeProject, cluster: FakeCluster) -> None:
    """Separate folders, nothing shared; both had work."""
    assert project.doit().returncode == 0
    local = project.outputs()
    project.doit("clean")
    project.ran()
    cluster.add("a")
    cluster.add("b")

    done = project.doit("--scheduler", cluster.address, "-n", "2")

    assert (done.returncode, done.stderr) == (0, "")
    assert project.ran() == ALL
    assert project.outputs() == local
    assert cluster.did("a") and cluster.did("b")


def test_a_worker_killed_in_the_middle_loses_nothing(project: FakeProject, cluster: FakeCluster) -> None:
    """Its step goes to the other one, and one line says so; its process dies with it."""
    cluster.add("a")
    process = begun_hanging(project, cluster)
    cluster.add("b")
    os.killpg(cluster.workers["a"].pid, signal.SIGKILL)
    wait_for(lambda: (project.root / "ran").read_text().split().count(LOWER) == 2)
    project.behave({})
    _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert [line for line in said.decode().splitlines() if LOWER in line and "was lost; another worker" in line]
    assert cluster.did("b")
    assert leftovers(project) == []


def test_after_the_second_loss_this_machine_does_the_step(project: FakeProject, cluster: FakeCluster) -> None:
    """It may be the step that takes them down; the build goes on with those that are left."""
    cluster.add("a")
    process = begun_hanging(project, cluster)
    cluster.add("b")
    for count, name in ((2, "a"), (3, "b")):
        os.killpg(cluster.workers[name].pid, signal.SIGKILL)
        wait_for(lambda: (project.root / "ran").read_text().split().count(LOWER) == count)  # noqa: B023 - called here
    project.behave({})
    _, said = process.communicate(timeout=PATIENCE_S)

    about = [line for line in said.decode().splitlines() if line.startswith(LOWER)]
    assert process.returncode == 0, said
    assert len(about) == 2, said
    assert about[0].endswith(" was lost; another worker does it")
    assert about[1].endswith(" was lost, the 2. time; this machine does it")
    assert leftovers(project) == []


def test_a_scheduler_that_dies_in_the_middle(project: FakeProject, cluster: FakeCluster) -> None:
    """The step is done here, and so is all that follows; one line a step says so, and nothing else is said."""
    assert project.doit().returncode == 0
    local = project.outputs()
    project.doit("clean")
    project.ran()
    cluster.add("a")
    process = begun_hanging(project, cluster)
    assert cluster.scheduler is not None
    os.killpg(cluster.scheduler.pid, signal.SIGKILL)
    wait_for(lambda: (project.root / "ran").read_text().split().count(LOWER) == 2)
    project.behave({})
    _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, said
    lines = said.decode().splitlines()
    assert [line for line in lines if "went away" not in line or not line.endswith("; this machine does it")] == []
    assert next(line.partition(": ")[0] for line in lines) == LOWER
    assert project.outputs() == local
    wait_for(lambda: leftovers(project) == [], 10)


def test_firmware_is_built_on_a_worker(project: FakeProject, cluster: FakeCluster) -> None:
    """Its folder of sources comes back with its images."""
    project.recipe.write_text(f"{project.recipe.read_text()}runtime: {{board: qemu-mps3-an547}}\n")
    assert project.doit("firmware:net@ethos-u55-128").returncode == 0
    local = project.outputs()
    project.ran()
    project.doit("clean", "firmware:net@ethos-u55-128")
    cluster.add("a")

    done = project.doit("--scheduler", cluster.address, "firmware:net@ethos-u55-128")

    assert (done.returncode, done.stderr) == (0, "")
    assert project.ran() == {"firmware:net@ethos-u55-128"}
    assert project.outputs() == local
    assert cluster.did("a")


def begun_hanging(project: FakeProject, cluster: FakeCluster) -> subprocess.Popen[bytes]:
    """doit, whose step LOWER hangs on a worker of the cluster."""
    project.behave({LOWER: "hang"})
    project.environment["ETBUILD_SCHEDULER"] = cluster.address
    process = subprocess.Popen(
        project.command(), cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until_begun(project, LOWER)
    return process


def test_a_worker_of_another_version_is_refused(project: FakeProject, cluster: FakeCluster, tmp_path: Path) -> None:
    """The message says what differs, once; the step runs here."""
    other = tmp_path / "other/torch-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    cluster.add("a", PYTHONPATH=str(other.parent))

    done = project.doit("--scheduler", cluster.address)

    assert done.returncode == 0
    assert project.ran() == ALL
    refused = [line for line in done.stderr.splitlines() if "is refused: torch: here " in line]
    assert len(refused) == 1 and refused[0].endswith(", there 9.9")
    assert f"{LOWER}: {cluster.address}: no worker that fits; this machine does it" in done.stderr
    assert not cluster.did("a")


def test_a_scheduler_that_is_not_there(project: FakeProject) -> None:
    """A message, and a local build."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        done = project.doit("--scheduler", address)

    assert done.returncode == 0
    assert project.ran() == ALL
    assert f"scheduler {address}: got " in done.stderr


def test_ctrl_c_ends_the_step_on_its_worker(project: FakeProject, cluster: FakeCluster) -> None:
    """Nothing goes on behind anybody's back; the worker is free for the next."""
    cluster.add("a")
    project.behave({LOWER: "hang"})
    project.environment["ETBUILD_SCHEDULER"] = cluster.address
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_until_begun(project, LOWER)
    process.send_signal(signal.SIGINT)

    assert process.wait(PATIENCE_S) == 130
    wait_for(lambda: leftovers(project) == [], 10)
    assert json.loads((project.root / "control.json").read_text()) == {LOWER: "hang"}


@pytest.fixture
def remote(tmp_path: Path) -> RemoteStep:
    """A step for a cluster that there is not, in a sandbox of its own."""
    (tmp_path / "build").mkdir()
    (tmp_path / "model.pte").write_bytes(b"a model")
    log = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    step = Step("header:r", (), (Path("model.pte"),), (Path("build/model.h"),))
    return RemoteStep(Cluster("tcp://nowhere", print), None).given(step, tmp_path, log, log)


def test_a_worker_that_keeps_nothing_is_not_asked_for_ever(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk may be full; this machine does the step."""
    digest = hashlib.sha256(b"a model").hexdigest()
    monkeypatch.setattr(Cluster, "worker", lambda self, step: nullcontext("tcp://w:1"))
    monkeypatch.setattr(RemoteStep, "_ask", lambda self, *words: Lacks((digest,)))

    with pytest.raises(ProcessLost, match=r"^worker tcp://w:1 does not keep what it is sent$"):
        remote.wait()


def test_what_came_back_as_something_else_is_not_taken(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output is what its digest says, or it is made again here."""
    file = StoredFile("build/model.h", "", "0" * 64, 3, False)
    done = Done(ProcessResult(0, 0.1, 1), b"", (file,), (), {file.digest: b"bad"})
    monkeypatch.setattr(Cluster, "worker", lambda self, step: nullcontext("tcp://w:1"))
    monkeypatch.setattr(RemoteStep, "_ask", lambda self, *words: done)

    with pytest.raises(ProcessLost, match=r"^got other content of build/model\.h from a worker than it said$"):
        remote.wait()


class ForgettingClient:
    """Of a scheduler that has dropped a task with its worker, and still lists the worker."""

    status = "running"

    def scheduler_info(self, n_workers: int) -> dict[str, object]:
        return {"workers": {"tcp://w:1": {"nthreads": 1}}}

    def submit(self, *words: object, **options: object) -> "ForgettingClient":
        return self

    def done(self) -> bool:
        return True

    def result(self, timeout: float) -> object:
        raise CancelledError("perform-1")


def test_a_task_that_was_dropped_is_a_lost_worker(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one does the step, though the list of workers is behind."""
    monkeypatch.setattr(Cluster, "client", lambda self: ForgettingClient())
    monkeypatch.setattr(Cluster, "worker", lambda self, step: nullcontext("tcp://w:1"))

    with pytest.raises(ProcessLost, match=r"^worker tcp://w:1 was lost, the 2\. time$"):
        remote.wait()


def test_a_step_that_was_stopped_is_not_given_to_another(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a loss told of: Ctrl-C takes the task away."""
    monkeypatch.setattr(Cluster, "client", lambda self: ForgettingClient())
    monkeypatch.setattr(Cluster, "worker", lambda self, step: nullcontext("tcp://w:1"))
    remote.cancel()

    with pytest.raises(StepError, match=r"^header:r: stopped$"):
        remote.wait()


class StrangeClient:
    """Of a scheduler that answers what nobody foresaw."""

    status = "running"

    def scheduler_info(self, n_workers: int) -> object:
        raise RuntimeError("IOLoop is closed")


def test_whatever_a_cluster_throws_the_step_is_done_here(remote: RemoteStep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build fails by its steps, never by its cluster."""
    monkeypatch.setattr(Cluster, "client", lambda self: StrangeClient())

    with pytest.raises(ProcessLost, match=r"^scheduler tcp://nowhere went away: RuntimeError: IOLoop is closed$"):
        remote.wait()


@pytest.mark.parametrize("address", ["tls://127.0.0.1:1", "nonsense://x", "tcp://", "http://127.0.0.1:1"])
def test_an_address_that_cannot_be_is_told(remote: RemoteStep, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what Dask has against it."""
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.2)

    with pytest.raises(ProcessLost, match=rf"^scheduler {address}: got .+, wanted it to answer$"):
        Cluster(address, print).client()


@pytest.mark.e2e
def test_the_real_compilers_give_the_same_bytes_on_a_worker(
    project: FakeProject, cluster: FakeCluster, run_folder: Path
) -> None:
    """add_u55 to .pte; run.json has times in it and is not compared."""
    root = Path(__file__).parents[3]
    shutil.rmtree(project.root / "recipes")
    shutil.copytree(root / "recipes", project.root / "recipes")
    shutil.copy(root / "dodo.py", project.root)
    servers = {"ETBUILD_SERVER_IDLE_S": "20", "XDG_RUNTIME_DIR": str(run_folder)}
    project.environment |= servers
    built = {}
    cluster.add("a", **servers)
    for words in ((), ("--scheduler", cluster.address)):
        done = project.doit(*words, "golden:add_u55", "header:add_u55")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        files = sorted(path for path in (project.root / "build/add_u55").rglob("*") if path.is_file())
        built[words] = {path.name: path.read_bytes() for path in files}
        project.doit("clean")

    local, remote = built.values()
    assert cluster.did("a")
    assert remote == local
