"""A recipe with `rewrite`, built by real doit: exact on the host, in fewer cycles than ExecuTorch's graphs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.e2e

MODEL = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, stride=2)
            self.second = torch.nn.Conv2d(8, 8, 3)
            self.patches = torch.nn.Conv2d(8, 8, 4, stride=4)
            self.last = torch.nn.Linear(8, 4)

        def forward(self, x):
            x = torch.relu(self.first(torch.nn.functional.pad(x, (0, 1, 0, 1))))
            x = torch.relu(self.second(torch.nn.functional.pad(x, (1, 1, 1, 1))))
            x = torch.relu(self.patches(x))
            return self.last(x[:, :, 1:].mean((2, 3)))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net()
        ModelInputs = (torch.randn(1, 3, 32, 32),)
"""
RECIPE = """
    model: {source: model.py}
    quantize: {scheme: int8}
    rewrite: {rules: all}
    targets:
      - {npu: ethos-u55-128, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
      - {npu: ethos-u85-256, system_config: Ethos_U85_SYS_DRAM_Mid, memory_mode: Dedicated_Sram_384KB}
    run: {on: host}
"""
DODO = """
    from etbuild.tasks import Project
    project = Project(__file__)
    DOIT_CONFIG = project.doit_config
"""


def test_rewritten_graphs_run_exact_in_fewer_cycles(tmp_path: Path) -> None:
    """The expected outputs are those of the graphs before: the TOSA reference model never sees the changed ones."""
    (tmp_path / "recipes").mkdir()
    for name, text in {"recipes/model.py": MODEL, "recipes/r.yaml": RECIPE, "dodo.py": DODO}.items():
        (tmp_path / name).write_text(dedent(text).lstrip())
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    done = subprocess.run(
        [sys.executable, "-m", "doit", "build:r"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    subprocess.run([sys.executable, "-m", "etbuild.cli.main", "server", "stop"], env=environment, check=True)

    assert done.returncode == 0, done.stdout + done.stderr
    for variant in ("ethos-u55-128", "ethos-u85-256"):
        folder = tmp_path / "build/r" / variant
        rules = [
            row for row in json.loads((folder / "rewrite.json").read_text())["delegates"][0]["rules"] if row["kept"]
        ]
        total = json.loads((folder / "vela.json").read_text())["total"]["cycles"]["total"]
        wanted = {"pads", "sums", "patches", *(["convolved_transposes"] if "u85" in variant else [])}
        assert wanted <= {row["rule"] for row in rules}
        assert total == rules[-1]["cycles"]["after"] < 0.9 * rules[0]["cycles"]["before"]
        run = json.loads((folder / "run.json").read_text())
        assert run["bit_exact"] == run["vectors"] > 0, done.stdout
