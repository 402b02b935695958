"""Steps on a real scheduler's workers, each a process with a folder of its own; fake_step.py does the steps."""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_project import ALL, FakeProject, talked
from dask_cluster import LOWER, PATIENCE_S, FakeCluster, begun_hanging, leftovers, wait_for, wait_until_begun

from etbuild.build_engine.dask.cluster import Cluster

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")


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


def test_two_workers_build_the_same_bytes_as_this_machine(project: FakeProject, cluster: FakeCluster) -> None:
    """Separate folders, nothing shared; both ran steps."""
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
    assert cluster.was_used("a") and cluster.was_used("b")


def test_verbosity_2_shows_a_line_of_a_worker_while_its_step_runs(project: FakeProject, cluster: FakeCluster) -> None:
    """Sent by the worker; the log has the same lines at the end."""
    cluster.add("a")
    project.environment["ETBUILD_SCHEDULER"] = cluster.address

    begun, rest = talked(project, LOWER)

    assert begun == [f"{LOWER} | begins"]
    assert f"{LOWER} | ends\n{LOWER} | without a line end\n" in rest
    assert cluster.was_used("a")
    log = project.root / "build/.etbuild/logs/lower.net@tosa-u55.log"
    assert log.read_text() == f"begins\n{'x' * 5000}\nends\nwithout a line end"


def test_a_worker_killed_in_the_middle_loses_nothing(project: FakeProject, cluster: FakeCluster) -> None:
    """Its step goes to the other one, with one message; its process dies with it."""
    cluster.add("a")
    process = begun_hanging(project, cluster)
    cluster.add("b")
    cluster.kill(cluster.workers["a"])
    wait_until_begun(project, LOWER, 2)
    project.behave({})
    _, printed = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0
    assert [line for line in printed.decode().splitlines() if LOWER in line and "was lost; another worker" in line]
    assert cluster.was_used("b")
    assert leftovers(project) == []


def test_after_the_second_loss_this_machine_runs_the_step(project: FakeProject, cluster: FakeCluster) -> None:
    """The step may be the cause; the build goes on with the remaining workers."""
    cluster.add("a")
    process = begun_hanging(project, cluster)
    cluster.add("b")
    for count, name in ((2, "a"), (3, "b")):
        cluster.kill(cluster.workers[name])
        wait_until_begun(project, LOWER, count)
    project.behave({})
    _, printed = process.communicate(timeout=PATIENCE_S)

    lines = [line for line in printed.decode().splitlines() if line.startswith(LOWER)]
    assert process.returncode == 0, printed
    assert len(lines) == 2, printed
    assert lines[0].endswith(" was lost; another worker does it")
    assert lines[1].endswith(" was lost, the 2. time; this machine does it")
    assert leftovers(project) == []


def test_a_scheduler_that_dies_in_the_middle(project: FakeProject, cluster: FakeCluster) -> None:
    """The step runs here, and so do all that follow; one line a step reports it, and nothing else is printed."""
    assert project.doit().returncode == 0
    local = project.outputs()
    project.doit("clean")
    project.ran()
    cluster.add("a")
    process = begun_hanging(project, cluster)
    cluster.kill(cluster.scheduler)
    wait_until_begun(project, LOWER, 2)
    project.behave({})
    _, printed = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 0, printed
    lines = printed.decode().splitlines()
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
    assert cluster.was_used("a")


def test_a_worker_of_another_version_is_refused(project: FakeProject, cluster: FakeCluster, tmp_path: Path) -> None:
    """One message names the difference; the step runs here."""
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
    assert not cluster.was_used("a")


def test_a_scheduler_that_does_not_run(project: FakeProject) -> None:
    """A message, and a local build."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        done = project.doit("--scheduler", address)

    assert done.returncode == 0
    assert project.ran() == ALL
    assert f"scheduler {address}: got " in done.stderr


def test_a_step_of_this_machine_knows_the_scheduler_of_the_command_line(project: FakeProject) -> None:
    """Step tune gives work to its workers; without the option the environment's holds."""
    project.behave({"export:net": "scheduler"})
    found = []
    for words in (("--scheduler", "tcp://127.0.0.1:1"), ()):
        project.doit(*words, "export:net")
        found.append((project.root / "build/net/export/exported.pt2").read_text())
        project.doit("clean", "export:net")

    assert found == ["tcp://127.0.0.1:1", "none"]


def test_a_worker_is_never_missing_from_the_list(cluster: FakeCluster) -> None:
    """Dask's client renews its own list all the time, without workers."""
    cluster.add("a")
    with dask.config.set({"distributed.client.scheduler-info-interval": "1ms"}):
        asked = Cluster(cluster.address, print)
        try:
            (worker,) = asked.client().sync(asked.client().scheduler.identity, n_workers=-1)["workers"]

            assert [number for number in range(500) if not asked.last_seen(worker)] == []
        finally:
            asked.close()


def test_ctrl_c_ends_the_step_on_its_worker(project: FakeProject, cluster: FakeCluster) -> None:
    """Nothing runs on unnoticed; the worker is free for the next step."""
    cluster.add("a")
    project.behave({LOWER: "hang"})
    project.environment["ETBUILD_SCHEDULER"] = cluster.address
    process = subprocess.Popen(project.command(), cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
    wait_until_begun(project, LOWER)
    process.send_signal(signal.SIGINT)

    assert process.wait(PATIENCE_S) == 130
    wait_for(lambda: leftovers(project) == [], 10)
    assert json.loads((project.root / "control.json").read_text()) == {LOWER: "hang"}


@pytest.mark.e2e
def test_the_real_compilers_give_the_same_bytes_on_a_worker(
    project: FakeProject, cluster: FakeCluster, run_folder: Path
) -> None:
    """add_u55 to .pte; run.json contains times and is not compared."""
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
    assert cluster.was_used("a")
    assert remote == local
