"""`etbuild compare` with the real compilers: MobileNetV2 on two NPUs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGET = "  - npu: ethos-u65-256\n    system_config: Ethos_U65_High_End\n"
TARGETS = "  - npu: [ethos-u55-128, ethos-u55-256]\n    system_config: Ethos_U55_High_End_Embedded\n"


def run(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(program)), *words]
    environment = {**os.environ, "ETBUILD_SERVER": "off"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.e2e
def test_the_layers_that_gain_by_a_larger_npu_are_named(tmp_path: Path) -> None:
    """Ethos-U55-128 and U55-256: the sum of the layers' changes is that of the network; a gate fails when it should."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", tmp_path)
    recipe = tmp_path / "recipes/mv2_u65.yaml"
    recipe.write_text(recipe.read_text().replace(TARGET, TARGETS))
    done = run(tmp_path, "doit", "pte:mv2_u65")
    assert done.returncode == 0, done.stdout + done.stderr
    sides = ("mv2_u65@ethos-u55-128", "mv2_u65@ethos-u55-256")

    (pair,) = json.loads(run(tmp_path, "etbuild", "compare", *sides, "--format", "json").stdout)["pairs"]
    markdown = run(tmp_path, "etbuild", "compare", *sides, "--format", "markdown", "--fail-if", "time>-1%").stdout
    gained = [one for one in pair["layers"] if one["cycles"]["change"] < 0]

    assert len(pair["layers"]) == 66
    assert len(gained) >= 20
    best = min(gained, key=lambda one: one["cycles"]["change"])
    assert (best["operator"], best["cycles"]["change"]) == ("Add", -50176)
    assert best["name"] in markdown
    assert len(markdown.splitlines()) <= 40
    registers = {one["register"] for change in pair["streams"][0]["changes"] for one in change["registers"]}
    assert {"OFM_BLK_HEIGHT", "OFM_BLK_WIDTH"} <= registers
    conditions = {"time>-1%": 0, "time<-1%": 1, "commands>+1%": 1, "sram>+0": 0}
    codes = {text: run(tmp_path, "etbuild", "compare", *sides, "--fail-if", text).returncode for text in conditions}
    assert codes == conditions
