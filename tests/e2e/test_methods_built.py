"""model.methods: a program with two methods that share a layer, built by real doit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DODO = """
    from etbuild.tasks import Project
    project = Project(__file__)
    DOIT_CONFIG = project.doit_config
"""
MODEL = """
    import torch

    torch.manual_seed(0)
    SHARED = torch.nn.Linear(4, 8)

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.own = SHARED, torch.nn.Linear(8, 3)

        def forward(self, x):
            return self.own(torch.relu(self.shared(x)))

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.own = SHARED, torch.nn.Linear(8, 2)

        def forward(self, x, gain):
            return self.own(self.shared(x) * gain), x + 1

    def make_encoder():
        return Encoder(), (torch.randn(1, 4),)

    def make_decoder():
        return Decoder(), (torch.randn(1, 4), torch.rand(1, 8))
"""
RECIPE = """
    model: {source: model.py, methods: {encode: make_encoder, decode: make_decoder}}
    quantize: {calibration: {methods: {encode: {data: frames.npy}}}}
    vectors: {methods: {decode: {samples: 3}}}
    targets: [{npu: ethos-u55-128}, {npu: none}]
    run: {on: host}
"""


@dataclass(frozen=True)
class Built:
    root: Path
    environment: dict[str, str]

    def write(self, name: str, text: str) -> None:
        (self.root / "recipes" / name).write_text(dedent(text).lstrip())

    def doit(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "doit", *words]
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )

    def json(self, name: str) -> Any:
        return json.loads((self.root / "build/r" / name).read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Built:
    root = tmp_path_factory.mktemp("methods")
    (root / "recipes").mkdir()
    (root / "dodo.py").write_text(dedent(DODO).lstrip())
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("run")),
        "ETBUILD_SERVER": "off",
    }
    return Built(root, environment)


@pytest.fixture(scope="module")
def built(project: Built) -> Iterator[Built]:
    project.write("model.py", MODEL)
    project.write("r.yaml", RECIPE)
    np.save(project.root / "recipes/frames.npy", np.linspace(-9, 9, 32, dtype=np.float32).reshape(8, 4))
    done = project.doit("build:r")
    assert done.returncode == 0, done.stdout + done.stderr
    yield project


@pytest.mark.parametrize("variant", ["ethos-u55-128", "cpu"])
def test_run_json_has_a_verdict_on_every_method(built: Built, variant: str) -> None:
    """Its own vectors: 3 of decode, and 4 random ones of encode, for which the recipe names none."""
    report = built.json(f"{variant}/run.json")

    assert report["methods"] == {
        "decode": {"vectors": 3, "bit_exact": 3},
        "encode": {"vectors": 4, "bit_exact": 4},
    }
    assert (report["vectors"], report["bit_exact"]) == (7, 7)


def test_a_samples_file_runs_quantisation_again(built: Built) -> None:
    """It is an input of step quantize of each profile, and of no other step."""
    file = built.root / "recipes/frames.npy"
    before = file.read_bytes()
    np.save(file, np.linspace(-8, 8, 32, dtype=np.float32).reshape(8, 4))

    found = built.doit("why", "build:r").stdout

    file.write_bytes(before)
    lines = found.splitlines()
    assert [lines[n] for n, line in enumerate(lines[1:]) if "frames.npy" in line] == [
        "quantize:r@tosa-u55 runs",
        "quantize:r@cpu runs",
    ], found
