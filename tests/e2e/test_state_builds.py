"""Models that keep state, and models that branch: built by doit, each step exact on the host and in QEMU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distribution import ROOT

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))

from project import Project
from stateful import ATTENTION, QUANTISED, RECURRENT, ROWS, STEPS, source, write_steps
from test_control_flow import CONVOLUTIONS, LOOP

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]

DECODER = Path(__file__).parent / "states/decoder.py"
U85 = {"npu": "ethos-u85-256", "system_config": "Ethos_U85_SYS_DRAM_Mid", "memory_mode": "Sram_Only"}
U55 = {"npu": "ethos-u55-128"}


@dataclass(frozen=True)
class Case:
    """A recipe. vectors: how many it runs. samples: whether they are the steps of one sequence."""

    model: str
    target: dict[str, str]
    scheme: str = "int8"
    vectors: int = STEPS
    samples: bool = True
    tolerance: float = 0.0


CASES = {
    "float_cache": Case(source(ATTENTION), {"npu": "none"}, "none", tolerance=1e-5),
    "int8_on_the_cpu": Case(source(ATTENTION), {"npu": "none"}, tolerance=1e-5),
    "int8_on_a_cortex_m": Case(source(RECURRENT), {"npu": "none", "cpu": "cortex-m55"}),
    "cache": Case(source(ATTENTION), U85),
    "cache_beside_a_u55": Case(source(ATTENTION), U55),
    "quantised_cache": Case(source(QUANTISED), U85),
    "begins_with_ones": Case(source(ROWS), U85),
    "cond": Case(CONVOLUTIONS, U85, vectors=4, samples=False),
    "while_loop": Case(LOOP, U85, vectors=4, samples=False),
}


def recipe(case: Case, on: str) -> str:
    data = {"data": "steps.npz"} if case.samples else {}
    quantize: dict[str, Any] = {"scheme": case.scheme, **({"calibration": data} if case.scheme != "none" else {})}
    emulated = {"npu": "emulator"} if case.target["npu"] != "none" else {}
    return json.dumps(
        {
            "model": {"source": "model.py"},
            "quantize": quantize,
            "vectors": data,
            "targets": [case.target],
            "runtime": {"board": "qemu-mps3-an547", **emulated},
            "run": {"on": on, "tolerance": case.tolerance, "timeout_s": 600},
        }
    )


def doit(project: Project) -> None:
    """Build everything, without a cache or a server of another build."""
    command = [str(Path(sys.executable).with_name("doit")), "build:r"]
    own = {"ETBUILD_CACHE": "off", "XDG_CACHE_HOME": str(project.root / "cache"), "XDG_RUNTIME_DIR": str(project.root)}
    environment = {**os.environ, **own, "ETBUILD_SERVER": "off"}
    done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def runs(project: Project, case: Case) -> list[dict[str, Any]]:
    """run.json in QEMU, then on the host: only the last step runs again."""
    shutil.copy(ROOT / "dodo.py", project.root)
    project.write("recipes/model.py", case.model)
    found = []
    for on in ("qemu", "host"):
        project.write("recipes/r.yaml", recipe(case, on))
        doit(project)
        (report,) = (project.root / "build/r").glob("*/run.json")
        found.append(json.loads(report.read_text()))
    return found


@pytest.mark.parametrize("name", CASES)
def test_each_step_is_exact_on_the_host_and_in_qemu(name: str, tmp_path: Path) -> None:
    case, project = CASES[name], Project(tmp_path)
    (tmp_path / "recipes").mkdir()
    write_steps(tmp_path / "recipes/steps.npz")

    found = [(one["on"], one["vectors"], one["bit_exact"]) for one in runs(project, case)]

    assert found == [("qemu", case.vectors, case.vectors), ("host", case.vectors, case.vectors)]


def test_a_decoder_writes_64_tokens(tmp_path: Path) -> None:
    """Keys, values, mask and the last token are in the program: each token depends on all before it."""
    project = Project(tmp_path)
    (tmp_path / "recipes").mkdir()
    np.savez(tmp_path / "recipes/steps.npz", input_0=np.arange(64, dtype=np.int64)[:, None])

    found = [(one["on"], one["vectors"], one["bit_exact"]) for one in runs(project, Case(DECODER.read_text(), U85))]

    assert found == [("qemu", 64, 64), ("host", 64, 64)]
    with np.load(tmp_path / "build/r/tosa-u85/golden.npz") as arrays:
        assert len(set(arrays["output_1"].ravel().tolist())) > 4
