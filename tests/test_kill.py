"""SIGKILL at random moments: outputs are whole or absent, and the next build ends as if nothing had happened."""

import random
import subprocess
import time
from pathlib import Path

import pytest
from test_rebuild import FakeProject

SEED = 20


def killed_builds(project: FakeProject, times: int, longest_s: float) -> None:
    """Start a build and kill it after a random time, so many times; every other one builds two steps at once."""
    moments = random.Random(SEED)
    for number in range(times):
        command = project.command("-n", "2") if number % 2 else project.command()
        process = subprocess.Popen(command, cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.02, longest_s))
        process.kill()
        process.wait()


def test_twenty_kills_and_then_a_build(tmp_path: Path) -> None:
    """Byte-identical to an undisturbed build, nothing left over, nothing to clean by hand."""
    undisturbed = FakeProject(tmp_path / "undisturbed")
    disturbed = FakeProject(tmp_path / "disturbed")
    assert undisturbed.doit().returncode == 0

    killed_builds(disturbed, 20, 2.0)
    done = disturbed.doit()

    assert done.returncode == 0, done.stdout + done.stderr
    assert disturbed.outputs() == undisturbed.outputs()
    assert list((disturbed.root / "build/.etbuild/sandbox").iterdir()) == []


@pytest.mark.e2e
@pytest.mark.slow
def test_twenty_kills_of_the_real_build(tmp_path: Path) -> None:
    """mnist_u55 with the real compilers."""
    import shutil

    root = Path(__file__).parent.parent
    built = {}
    for name in ("undisturbed", "disturbed"):
        project = FakeProject(tmp_path / name)
        shutil.rmtree(project.root / "recipes")
        shutil.copytree(root / "recipes", project.root / "recipes")
        shutil.copy(root / "dodo.py", project.root / "dodo.py")
        project.environment |= {"ETBUILD_CACHE": "off", "ETBUILD_SERVER": "off"}
        if name == "disturbed":
            killed_builds(project, 20, 12.0)
        done = project.doit("build:mnist_u55")
        assert done.returncode == 0, done.stdout + done.stderr
        files = [path for path in (project.root / "build/mnist_u55").rglob("*") if path.is_file()]
        built[name] = {str(path.relative_to(project.root)): path.read_bytes() for path in files}

    assert built["disturbed"] == built["undisturbed"]
