"""etbuild in another repository: the wheel, a dodo.py of three lines and a recipes folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
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


@pytest.mark.e2e
def test_an_installed_etbuild_builds_in_another_repository(tmp_path: Path) -> None:
    """The wheel contains schemas and tables; outputs are next to that dodo.py, whose own tasks run too."""
    site, project, source = tmp_path / "site", tmp_path / "project", tmp_path / "source"
    for folder in ("etbuild", "schemas"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / file, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True)
    (project / "recipes").mkdir(parents=True)
    (project / "dodo.py").write_text(DODO + "def task_mine():\n    return {'actions': ['echo mine > mine.txt']}\n")
    (project / "recipes/net.yaml").write_text(RECIPE)
    (project / "net.py").write_text(MODEL)
    environment = {**os.environ, "PYTHONPATH": str(site), "ETBUILD_CACHE": "off", "ETBUILD_SERVER": "off"}
    script = "import etbuild, sys; from doit.__main__ import main; print(etbuild.__file__); sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "build:net", "mine"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(site))
    assert (project / "build/net/ethos-u55-64/model.pte").is_file()
    assert (project / "build/net/ethos-u55-64/model.h").is_file()
    assert (project / "build/net/report.json").is_file()
    assert (project / "mine.txt").read_text() == "mine\n"
