"""The shipped recipes' networks with the register driver, on Corstone-300 and on the twins of the vendors' boards.

    python -m pytest -m slow tests/firmware/test_recipes_on_boards.py -s

prints for each the code's bytes and the seconds from the launch to the verdict.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from etbuild.steps import firmware, run
from etbuild.system.environment import cache_folder

ROOT = Path(__file__).parents[2]
U55 = ("ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram")
U65 = ("ethos-u65-256", "Ethos_U65_High_End", "Shared_Sram")
U65_CACHED = ("ethos-u65-256", "Ethos_U65_High_End", "Dedicated_Sram_384KB")
U85 = ("ethos-u85-256", "Ethos_U85_SYS_DRAM_Mid", "Shared_Sram")
SMALL = ("mnist_u55", "fallback_u55", "kws", "ic", "vww", "ad")
# MobileNetV2 needs more than these boards give by themselves; their files name the same changes.
TENSORS_IN_DDR = "extends: corstone-300\nplacement: {arena: ddr}\n"
ALL_OF_MRAM = "extends: alif-e8-he-qemu\nmemory: {mram: {size: 5632 KiB}}\n"
# A network, what it is compiled for, and the board, or a change of one.
ROWS = (
    *((name, U55, "corstone-300") for name in SMALL),
    *((name, U55, "alif-e8-he-qemu") for name in SMALL),
    *((name, U65, "imx93-evk-qemu") for name in SMALL),
    ("mv2_u65", U65, TENSORS_IN_DDR),
    ("mv2_u65", U55, ALL_OF_MRAM),
    ("mv2_u65", U65_CACHED, "imx93-evk-qemu"),
    ("mnist_u55", U85, "alif-e8-hp-u85-qemu"),
    ("mnist_u55", U85, "qemu-mps3-an547"),
)
VECTORS = {"mnist_u55": 16, "mv2_u65": 4}
# With register driver and console, on every core.
MOST_CODE = 24_576
# How many fit beside a model.
MOST_VECTORS = {ALL_OF_MRAM: 3}
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


class Project:
    """A project with the recipes, each for all that it is compiled for here, built by doit when it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "recipes", root / "recipes")
        shutil.copyfile(ROOT / "dodo.py", root / "dodo.py")
        for name in {row[0] for row in ROWS}:
            targets = sorted({row[1] for row in ROWS if row[0] == name})
            keys = ("npu", "system_config", "memory_mode")
            rows = [dict(zip(keys, target, strict=True)) for target in targets]
            (root / f"recipes/all_{name}.yaml").write_text(json.dumps({"extends": f"{name}.yaml", "targets": rows}))
        (root / "run").mkdir(mode=0o700)
        # The host's library is the one that other tests have compiled: it is verified before each use.
        native = cache_folder() / "native"
        native.mkdir(parents=True, exist_ok=True)
        (root / "cache/etbuild").mkdir(parents=True)
        (root / "cache/etbuild/native").symlink_to(native)

    @cache  # noqa: B019  # There is one project.
    def built(self, name: str) -> Path:
        """The folder with every variant's .pte, and the expected outputs of every profile."""
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "ETBUILD_SERVER": "off",
        }
        command = [sys.executable, "-m", "doit", f"pte:all_{name}", f"golden:all_{name}"]
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=3600)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.root / "build" / f"all_{name}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("recipes"))


def variant(built: Path, target: tuple[str, str, str]) -> Path:
    """The folder of a target: its manifest says which."""
    for manifest in built.glob("*/manifest.json"):
        said = json.loads(manifest.read_text())["target"]
        if (said["npu"], said["memory_mode"]) == (target[0], target[2]):
            return manifest.parent
    raise AssertionError(f"no variant for {target} in {built}")


def first(count: int, golden: Path) -> str:
    """The expected outputs of the first vectors, as a file in this folder."""
    with np.load(golden) as arrays:
        # What is not one row for each vector is about all of them.
        np.savez("golden.npz", **{name: one[:count] if one.shape else one for name, one in arrays.items()})
    return "golden.npz"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1][0]} {row[2].split(chr(10))[0]}")
def test_every_vector_of_a_recipe_is_bit_exact_on_a_board(
    project: Project,
    row: tuple[str, tuple[str, str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the register driver and the board's own console driver; the NPU is beside QEMU."""
    name, target, board = row
    built = project.built(name)
    monkeypatch.chdir(tmp_path)
    if "\n" in board:
        Path("changed.yaml").write_text(board)
        board = "changed.yaml"
    source = variant(built, target)
    count = min(VECTORS.get(name, 8), MOST_VECTORS.get(row[2], 16))
    golden = first(count, built / ("tosa-u85" if "u85" in target[0] else "tosa-u55") / "golden.npz")
    npu = ["--board", board, "--driver", "ethosu", "--npu", target[0]]
    pte = ["--pte", str(source / "model.pte")]
    vectors = ["--manifest", str(source / "manifest.json"), "--vectors", golden, "--stack", "16384"]
    assert firmware.main([*npu, "--memory-mode", target[2], *pte, *vectors, "--output", "."]) == 0

    begin = time.perf_counter()
    given = [*pte, "--golden", golden, "--elf", "firmware.elf", "--timeout", "900", "--on", "qemu"]
    assert run.main([*npu, *given, "--output", "run.json"]) == 0

    report = json.loads(Path("run.json").read_text())
    code = json.loads(Path("sizes.json").read_text())["code_bytes"]
    with capsys.disabled():
        print(f"\n{name} on {report['runner']}: code {code:,} bytes, {time.perf_counter() - begin:.1f} s ", end="")
    assert [report["vectors"], report["bit_exact"]] == [count] * 2
    assert code <= MOST_CODE
