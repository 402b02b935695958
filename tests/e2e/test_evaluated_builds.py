"""`doit evaluate:R` by real doit: which step runs again for which edit, and what the user sees."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FILES = {
    "dodo.py": """
        from etbuild.tasks import Project
        project = Project(__file__)
        DOIT_CONFIG = project.doit_config
    """,
    "recipes/net.py": """
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            ModelUnderTest = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).eval()
            ModelInputs = (torch.randn(1, 8),)
    """,
    "recipes/val.py": """
        import numpy as np
        from scale import SCALE

        def samples():
            generator = np.random.default_rng(4)
            for number in range(50):
                yield generator.standard_normal(8, np.float32) * SCALE, number % 3
    """,
    "recipes/scale.py": "SCALE = 1.0\n",
    "recipes/share.py": """
        def share(outputs, labels):
            return (outputs.reshape(len(labels), -1).argmax(1) == labels).mean()
    """,
    "recipes/net.yaml": """
        model: {source: net.py}
        targets: [{npu: ethos-u55-128}]
        evaluate: {data: val.py, metric: {source: share.py, entry: share}}
        report: {evaluate: true}
        run: {on: host}
    """,
}


@dataclass(frozen=True)
class Built:
    root: Path
    environment: dict[str, str]

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text).lstrip())

    def doit(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doit", *words]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=500
        )

    def ran(self, *words: str) -> list[str]:
        """Build; the kinds of the steps that ran, in order."""
        done = self.doit(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line.partition(":")[0] for line in done.stdout.splitlines() if " ran " in line]

    def json(self, name: str) -> Any:
        return json.loads((self.root / name).read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The project, built once, without a server of its own."""
    root = tmp_path_factory.mktemp("evaluated")
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run")),
        "ETBUILD_SERVER": "off",
    }
    made = Built(root, environment)
    for name, text in FILES.items():
        made.write(name, text)
    assert made.ran("build:net")[-1] == "report"
    yield made


def test_the_report_and_the_file_of_samples_have_what_was_measured(built: Built) -> None:
    """A build with report.evaluate runs the models; the metric counts what evaluate.csv lists."""
    content = built.json("build/net/ethos-u55-128/evaluate.json")
    with (built.root / "build/net/ethos-u55-128/evaluate.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    for model, value in content["values"].items():
        assert value == pytest.approx(sum(row[model] == row["label"] for row in rows) / 50)
    assert built.json("build/net/report.json")["variants"][0]["evaluate"] == content
    assert "Whole data set" in (built.root / "build/net/report.html").read_text()


def test_another_metric_runs_no_model_and_other_samples_run_all(built: Built) -> None:
    """What the file of the samples imports counts; a build with nothing to do runs nothing."""
    assert built.ran("evaluate:net") == []
    built.write("recipes/share.py", FILES["recipes/share.py"].replace(".mean()", ".mean() / 2"))
    assert built.ran("evaluate:net") == ["evaluate"]
    built.write("recipes/scale.py", "SCALE = 0.5\n")
    assert sorted(built.ran("evaluate:net")) == ["evaluate", "execute", "predict"]


def test_a_metric_below_its_limit_ends_the_build(built: Built) -> None:
    """Exit code 1, the message in the words of the recipe; no model runs again for it."""
    text = FILES["recipes/net.yaml"].replace("entry: share}", "entry: share}, fail_below: 2")
    built.write("recipes/net.yaml", text)
    done = built.doit("evaluate:net")

    assert done.returncode == 1
    assert "evaluate.fail_below: got share " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    ran = [line.partition(":")[0] for line in done.stdout.splitlines() if " ran " in line]
    assert not {"predict", "execute"} & set(ran)
