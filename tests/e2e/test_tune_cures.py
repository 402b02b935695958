"""doit tune: a real search, and its patch applied to the recipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

ROOT = Path(__file__).parent.parent.parent
DOIT = str(Path(sys.executable).with_name("doit"))
RECIPE = """\
model: {source: net.py}  # a badly scaled one
quantize: {calibration: {samples: 8, seed: 3}}
vectors: {samples: 8, seed: 3}
targets: {npu: ethos-u55-128, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
run: {on: host}
report: {sensitivity: true}
"""


def doit(root: Path, *words: str) -> str:
    variables = {"XDG_RUNTIME_DIR": str(root), "XDG_CACHE_HOME": str(root / "cache"), "ETBUILD_SERVER": "off"}
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [DOIT, *words], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sys.path.insert(0, str(ROOT / "tests/steps"))
    from badly_scaled import SOURCE

    root = tmp_path_factory.mktemp("tuned")
    (root / "recipes").mkdir()
    (root / "recipes/net.yaml").write_text(RECIPE)
    (root / "recipes/net.py").write_text(dedent(SOURCE))
    (root / "dodo.py").write_text((ROOT / "dodo.py").read_text())
    doit(root, "run:net", "tune:net", "--budget", "90")
    return root


def found_in(root: Path) -> Any:
    return json.loads((root / "build/net/tune.json").read_text())


def error_of(root: Path) -> float:
    report = json.loads((root / "build/net/tosa-u55/golden.json").read_text())
    return float(report["outputs"][0]["reference_to_float"]["sqnr_db"])


def test_the_report_of_a_build_has_its_sensitivity(tuned: Path) -> None:
    """As report.sensitivity asks for it: the same content, with the badly scaled layer first."""
    doit(tuned, "report:net")

    (variant,) = json.loads((tuned / "build/net/report.json").read_text())["variants"]
    assert variant["sensitivity"] == json.loads((tuned / "build/net/ethos-u55-128/sensitivity.json").read_text())
    assert variant["sensitivity"]["layers"][0]["name"] == "second"


def test_a_badly_scaled_layer_is_cured_by_the_patch(tuned: Path) -> None:
    """At least 15 dB at the output for no more cycles; what the patch gives is what tune has said, and is exact."""
    before, found = error_of(tuned), found_in(tuned)
    winner, first = (found["tried"][number]["figures"] for number in (found["winner"], 0))
    subprocess.run(["git", "apply", found["patch"]], cwd=tuned, check=True)

    doit(tuned, "run:net")

    run = json.loads((tuned / "build/net/ethos-u55-128/run.json").read_text())
    vela = json.loads((tuned / "build/net/ethos-u55-128/vela.json").read_text())
    assert error_of(tuned) >= before + 15
    assert round(error_of(tuned), 3) == winner["sqnr_db"]
    assert vela["total"]["cycles"]["total"] == winner["cycles"] <= first["cycles"]
    assert (run["bit_exact"], run["vectors"]) == (8, 8)
