"""Quantisation-aware training by a recipe: accuracy regained, progress shown, and what it runs again for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distribution import ROOT

from etbuild.build_engine.server import client
from etbuild.steps.server import SERVER

pytestmark = pytest.mark.e2e

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.drop = nn.Linear(16, 32), nn.Linear(32, 8), nn.Dropout(0.1)

    def forward(self, x):
        return self.second(self.drop(torch.relu(self.first(x))))


def make_model():
    return Net(), (torch.zeros(1, 16),)
"""
TRAIN = """\
import numpy as np
import torch
from rates import RATE


def train(model, samples):
    data = np.load("recipes/data/training.npz")
    x, y = torch.from_numpy(data["input_0"]), torch.from_numpy(data["labels"]).long()
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    for step in range(1, 401):
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step} of 400, loss {loss.item():.3f}")
"""
RECIPE = {
    "model": {"source": "model.py", "entry": "make_model", "weights": "net.safetensors"},
    "quantize": {"calibration": {"data": "data/calibration.npz"}},
    "vectors": {"data": "data/test.npz"},
    "targets": [{"npu": "ethos-u55-128", "memory_mode": "Shared_Sram"}],
    "run": {"on": "host"},
}
QAT = {"qat": {"source": "train.py"}}


@dataclass
class QatProject:
    """runtime: where its compile server meets its clients."""

    root: Path
    runtime: str

    def write(self, name: str, targets: list[dict[str, str]] | None = None, **quantize: Any) -> None:
        recipe = {**RECIPE, "quantize": RECIPE["quantize"] | quantize, "targets": targets or RECIPE["targets"]}
        (self.root / f"recipes/{name}.yaml").write_text(json.dumps(recipe))

    def doit(self, *arguments: str, code: int = 0) -> str:
        """What doit prints; it must end with this exit code."""
        environment = {**os.environ, "XDG_RUNTIME_DIR": self.runtime, "ETBUILD_CACHE": str(self.root / "cache")}
        command = [str(Path(sys.executable).with_name("doit")), *arguments]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, path: str) -> Any:
        return json.loads((self.root / path).read_text())


def made(count: int, seed: int) -> dict[str, Any]:
    """Points around the centres of eight classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 8, count)
    centres = np.random.default_rng(99).normal(size=(8, 16))
    points = centres[labels] + 0.6 * random.normal(size=(count, 16))
    return {"input_0": points.astype(np.float32), "labels": labels.astype(np.int64)}


def write_weights(folder: Path) -> None:
    """A trained network whose first hidden value is 1,000 times too large, which the next layer divides out again."""
    import torch
    from safetensors.torch import save_file

    namespace: dict[str, Any] = {}
    exec(compile(MODEL, "model.py", "exec"), namespace)
    data = made(512, 1)
    x, y = torch.from_numpy(data["input_0"]), torch.from_numpy(data["labels"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = namespace["Net"]()
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(150):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        net.first.weight[0] *= 1000
        net.first.bias[0] *= 1000
        net.second.weight[:, 0] /= 1000
    save_file(net.state_dict(), folder / "net.safetensors")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QatProject]:
    root = tmp_path_factory.mktemp("qat")
    (root / "recipes/data").mkdir(parents=True)
    shutil.copy(ROOT / "dodo.py", root)
    (root / "recipes/model.py").write_text(MODEL)
    (root / "recipes/train.py").write_text(TRAIN)
    (root / "recipes/rates.py").write_text("RATE = 0.01\n")
    np.savez(root / "recipes/data/training.npz", **made(512, 1))
    np.savez(root / "recipes/data/test.npz", **made(200, 2))
    np.savez(root / "recipes/data/calibration.npz", **made(64, 3))
    write_weights(root / "recipes")
    with tempfile.TemporaryDirectory(prefix="run") as runtime, pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", runtime)
        one = QatProject(root, runtime)
        one.write("ptq")
        one.write("qat", **QAT)
        yield one
        client.ask(SERVER, "stop")


@pytest.fixture(scope="module")
def printed(project: QatProject) -> str:
    """What the first build of both recipes prints."""
    return project.doit("-v", "2", "golden:ptq", "build:qat")


def test_training_regains_the_accuracy_that_calibration_loses(project: QatProject, printed: str) -> None:
    """Float 99 % or more, by calibration less than 30 %, by training more than 90 %: on the NPU, in integers."""
    ptq, qat = (project.json(f"build/{name}/tosa-u55/golden.json")["accuracy"] for name in ("ptq", "qat"))

    assert ptq["float"] > 0.98
    assert ptq["reference"] < 0.3
    assert qat["reference"] > 0.9
    assert qat["reference"] == pytest.approx(qat["quantized"], abs=0.01)


def test_the_trained_program_runs_exact_on_the_host(project: QatProject, printed: str) -> None:
    """All on the NPU, and equal to the TOSA reference model."""
    run = project.json("build/qat/ethos-u55-128/run.json")
    partition = project.json("build/qat/tosa-u55/partition.json")

    assert (run["bit_exact"], run["vectors"]) == (200, 200)
    assert partition["npu_share"] == 1


def test_progress_is_shown_and_logged(project: QatProject, printed: str) -> None:
    """Each line of the function, after the name of the step."""
    lines = [line for line in printed.splitlines() if "quantize:qat@tosa-u55 | step " in line]

    assert [line.split(",")[0].partition("| ")[2] for line in lines] == [f"step {n}00 of 400" for n in (1, 2, 3, 4)]


def test_the_report_names_the_training(project: QatProject, printed: str) -> None:
    """With its function and seed, and the digest of its file."""
    report = project.json("build/qat/tosa-u55/quantization.json")

    assert report["trained"] == {"source": "recipes/train.py", "entry": "train", "seed": 0}
    assert "recipes/train.py" in report["digests"]


def test_other_targets_do_not_train_again(project: QatProject, printed: str) -> None:
    """The step is up to date with a second NPU of the same profile."""
    both = [*RECIPE["targets"], {"npu": "ethos-u65-256", "memory_mode": "Shared_Sram"}]  # type: ignore[misc]
    project.write("qat", targets=both, **QAT)
    try:
        assert "step 100" not in project.doit("-v", "2", "quantize:qat")
        assert project.doit("why", "quantize:qat") == "all up to date\n"
    finally:
        project.write("qat", **QAT)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.py", TRAIN.replace("401", "301")),
        ("rates.py", "RATE = 0.02\n"),
    ],
)
def test_the_function_and_what_it_imports_train_again(project: QatProject, printed: str, name: str, text: str) -> None:
    """An edit of either is a reason to run, and is named."""
    file = project.root / "recipes" / name
    before = file.read_text()
    file.write_text(text)
    try:
        why = project.doit("why", "quantize:qat", code=1).splitlines()
        assert why[0] == "quantize:qat@tosa-u55 runs"
        assert [line for line in why[1:] if f"recipes/{name}" in line] == why[1:]
    finally:
        file.write_text(before)


def test_data_that_only_the_function_opens_train_again(project: QatProject, printed: str) -> None:
    """The recipe does not name the file: that the function opened it makes it an input."""
    file = project.root / "recipes/data/training.npz"
    before = file.read_bytes()
    np.savez(file, **made(512, 4))
    try:
        why = project.doit("why", "quantize:qat", code=1).splitlines()
        assert why[0] == "quantize:qat@tosa-u55 runs"
        assert [line.partition(":")[0] for line in why[1:]] == ["    imported recipes/data/training.npz"]
    finally:
        file.write_bytes(before)
    assert project.json("build/qat/tosa-u55/quantize_deps.json")["untracked"] == []


def test_the_same_seed_gives_the_same_bytes_and_a_deleted_build_does_not_train(
    project: QatProject, printed: str
) -> None:
    """The result of a training comes from the build cache; trained again, it has the same bytes."""
    output = project.root / "build/qat/tosa-u55/quantized.pt2"
    first = output.read_bytes()
    shutil.rmtree(project.root / "build/qat")

    cached = project.doit("-v", "2", "quantize:qat")
    again = project.doit("-v", "2", "-a", "quantize:qat")

    assert "step 100" not in cached
    assert "step 100" in again
    assert output.read_bytes() == first
