"""etbuild in another repository: the sdist or the wheel, a dodo.py of three lines and a recipes folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from distribution import ROOT, build_sdist, build_wheel, copy_sources, environment, install

DODO = "from etbuild.tasks import Project\nproject = Project(__file__)\nDOIT_CONFIG = project.doit_config\n"
MODEL = """\
import torch


class Scale(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x * 0.5)


ModelUnderTest = Scale().eval()
ModelInputs = (torch.linspace(-1, 1, 32).reshape(1, 8, 2, 2),)
"""
RECIPE = """\
model: {source: ../net.py}
targets: {npu: ethos-u55-64, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
run: {on: none}
"""
MNIST = ("mnist.yaml", "mnist_u55.yaml", "models/mnist.py", "models/mnist.safetensors", "data/digits_*.npz")
DOIT = "import etbuild, sys; from doit.__main__ import main; print(etbuild.__file__); sys.exit(main())"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist and the wheel. The sources are gone."""
    folder = tmp_path_factory.mktemp("distributions")
    sdist = build_sdist(copy_sources(folder / "source"), folder / "dist")
    shutil.rmtree(folder / "source")
    return {"sdist": sdist, "wheel": build_wheel(sdist, folder / "wheel")}


@pytest.fixture(scope="module")
def sites(distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder each, with what pip installs of etbuild alone."""
    folder = tmp_path_factory.mktemp("sites")
    for name, distribution in distributions.items():
        install(distribution, folder / name)
    return {name: folder / name for name in distributions}


def doit(site: Path, project: Path, *arguments: str) -> str:
    """What doit prints, of the etbuild in `site`."""
    command = [sys.executable, "-P", "-c", DOIT, *arguments]
    done = subprocess.run(command, cwd=project, env=environment(site), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(site))
    return done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_an_etbuild_installed_from_the_sdist_builds_in_another_repository(
    sites: dict[str, Path], tmp_path: Path
) -> None:
    """It contains schemas and tables; outputs are next to that dodo.py, whose own tasks run too."""
    project = tmp_path
    (project / "recipes").mkdir()
    (project / "dodo.py").write_text(DODO + "def task_mine():\n    return {'actions': ['echo mine > mine.txt']}\n")
    (project / "recipes/net.yaml").write_text(RECIPE)
    (project / "net.py").write_text(MODEL)

    doit(sites["sdist"], project, "build:net", "mine")

    assert (project / "build/net/ethos-u55-64/model.pte").is_file()
    assert (project / "build/net/ethos-u55-64/model.h").is_file()
    assert (project / "build/net/report.json").is_file()
    assert (project / "mine.txt").read_text() == "mine\n"


@pytest.mark.e2e
def test_a_clone_of_a_new_repository_of_the_wheel_builds_runs_and_is_checked(
    sites: dict[str, Path], tmp_path: Path
) -> None:
    """`etbuild new` in an empty folder is all that it takes; the clone has a firmware that ran in QEMU, bit for bit."""
    site, project, clone = sites["wheel"], tmp_path / "mine", tmp_path / "clone"
    project.mkdir()
    command = [str(site / "bin/etbuild"), "new", "net"]
    subprocess.run(command, cwd=project, env=environment(site), check=True, capture_output=True)
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=project, check=True)
    subprocess.run(["git", "checkout-index", "-a", f"--prefix={clone}/"], cwd=project, check=True)
    shutil.rmtree(project)

    shown = doit(site, clone, "-n", "2", "build:net")

    assert "net@ethos-u55-128  run on qemu-mps3-an547 (NPU beside QEMU): 4/4 vectors bit-exact\n" in shown
    assert (clone / "build/net/ethos-u55-128/firmware.elf").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_pip_installs_all_that_another_repository_needs_to_build_mnist(
    distributions: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """In a fresh environment, with the dependencies that pip finds; one installation takes minutes and 2 GB."""
    venv, project = tmp_path / "venv", tmp_path / "project"
    for pattern in MNIST:
        for file in (ROOT / "recipes").glob(pattern):
            copy = project / "recipes" / file.relative_to(ROOT / "recipes")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    (project / "dodo.py").write_text(DODO)
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    own |= {"PATH": f"{venv}/bin:/usr/bin:/bin", "ETBUILD_SERVER": "off"}

    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", distributions[kind]], env=own, check=True)
    done = subprocess.run(["doit", "build:mnist"], cwd=project, env=own, capture_output=True, text=True, check=False)
    shutil.rmtree(venv)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("(NPU beside QEMU): 16/16 vectors bit-exact\n") == 11
    assert len(list(project.glob("build/mnist/*/model.pte"))) == 11
