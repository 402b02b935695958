"""SIGKILL at random moments: outputs are complete or absent, and the next build ends as if nothing had happened."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from built_project import FakeProject

ROOT = Path(__file__).parents[2]
SEED = 20
# How long a run took on this machine is never the same twice.
TIMED = re.compile(rb'("duration": \{\s*"value": )[0-9.e-]+')


def killed_builds(project: FakeProject, times: int, longest_s: float) -> None:
    """Start a build and kill it after a random time, so many times; every other one builds two steps at once."""
    moments = random.Random(SEED)
    for number in range(times):
        command = project.command("-n", "2") if number % 2 else project.command()
        process = subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.02, longest_s))
        process.kill()
        process.wait()


def records(project: FakeProject) -> dict[str, int]:
    """When the record of each complete step was written."""
    files = (project.root / "build/.etbuild/steps").glob("*.json")
    return {file.name: file.stat().st_mtime_ns for file in files}


def test_twenty_kills_and_then_a_build(tmp_path: Path) -> None:
    """Byte-identical to an undisturbed build, no temporary files, nothing complete built again."""
    undisturbed = FakeProject(tmp_path / "undisturbed")
    disturbed = FakeProject(tmp_path / "disturbed")
    assert undisturbed.doit().returncode == 0

    killed_builds(disturbed, 20, 2.0)
    complete = records(disturbed)
    done = disturbed.doit()

    assert done.returncode == 0, done.stdout + done.stderr
    assert disturbed.outputs() == undisturbed.outputs()
    assert list((disturbed.root / "build/.etbuild/sandbox").iterdir()) == []
    assert complete.items() <= records(disturbed).items()


def test_kills_while_the_cache_is_written_damage_no_entry(tmp_path: Path) -> None:
    """Another checkout restores all outputs from it."""
    disturbed = FakeProject(tmp_path / "disturbed")
    disturbed.environment["ETBUILD_CACHE"] = str(tmp_path / "cache")
    # `verify` also looks at the user's objects and host libraries, and removes damaged ones: not the developer's.
    disturbed.environment["XDG_CACHE_HOME"] = str(tmp_path / "user")
    killed_builds(disturbed, 10, 1.0)
    verify = [str(Path(sys.executable).with_name("etbuild")), "cache", "verify"]
    damaged = subprocess.run(verify, env=disturbed.environment, capture_output=True, text=True, check=False)
    assert disturbed.doit().returncode == 0

    other = FakeProject(tmp_path / "other")
    other.environment["ETBUILD_CACHE"] = str(tmp_path / "cache")
    done = other.doit()

    assert (damaged.returncode, damaged.stdout) == (0, f"{tmp_path / 'cache'}: 0 damaged\n")
    assert done.returncode == 0
    assert other.ran() == set()
    assert other.outputs() == disturbed.outputs()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.usefixtures("run_folder")
def test_fifty_kills_of_the_real_build(tmp_path: Path) -> None:
    """mnist_u55 with the real compilers, the server and the cache: any of doit, server and child is killed."""
    built = {}
    for name in ("undisturbed", "disturbed"):
        project = real_project(tmp_path / name)
        try:
            if name == "disturbed":
                kill_anything(project, 50, 6.0)
            complete = records(project)
            done = project.doit("build:mnist_u55")
        finally:
            subprocess.run(server(project, "stop"), env=project.environment, check=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert complete.items() <= records(project).items()
        assert list((project.root / "build/.etbuild/sandbox").iterdir()) == []
        files = [path for path in (project.root / "build/mnist_u55").rglob("*") if path.is_file()]
        built[name] = {str(path.relative_to(project.root)): TIMED.sub(rb"\1", path.read_bytes()) for path in files}

    assert built["disturbed"] == built["undisturbed"]


def real_project(root: Path) -> FakeProject:
    """The shipped recipes with a cache of their own; the servers of both meet it in the test's run-time folder."""
    project = FakeProject(root)
    shutil.rmtree(root / "recipes")
    shutil.copytree(ROOT / "recipes", root / "recipes")
    shutil.copy(ROOT / "dodo.py", root / "dodo.py")
    project.environment["ETBUILD_CACHE"] = str(root / "cache")
    project.environment.pop("ETBUILD_SERVER", None)
    return project


def kill_anything(project: FakeProject, times: int, longest_s: float) -> None:
    """So many kills while a build runs; a complete build starts again, every other time without its cache."""
    chance = random.Random(SEED)
    build, ended = start(project), 0
    for _ in range(times):
        time.sleep(chance.uniform(0.05, longest_s))
        if build.poll() is not None:
            if build.returncode == 0:
                ended += 1
                for folder in ("build", "cache")[: 1 + ended % 2]:
                    shutil.rmtree(project.root / folder)
            build = start(project)
            time.sleep(chance.uniform(0.05, longest_s))
        victim = chance.choice([build.pid, *processes_of_steps(project, build.pid)])
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        if victim == build.pid:
            build.wait()
            build = start(project)
    build.kill()
    build.wait()


def start(project: FakeProject) -> subprocess.Popen[bytes]:
    command = project.command("-n", "2", "build:mnist_u55")
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=quiet, stderr=quiet)


def processes_of_steps(project: FakeProject, build: int) -> Iterator[int]:
    """The plain processes of steps, the server, and its children."""
    for listed in Path(f"/proc/{build}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, listed.read_text().split())
    socket = f"--socket\0{project.environment['XDG_RUNTIME_DIR']}"
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and socket in (folder / "cmdline").read_text():
                yield int(folder.name)


def server(project: FakeProject, order: str) -> list[str]:
    return [str(Path(sys.executable).with_name("etbuild")), "server", order]
