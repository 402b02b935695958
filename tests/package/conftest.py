"""One package for all tests: that of mnist_u55, built by doit."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etbuild.system.environment import cache_folder

ROOT = Path(__file__).parents[2]
NAME = "mnist_u55"
FILES = ("mnist_u55.yaml", "models/mnist.py", "models/mnist.safetensors", "data")


@dataclass(frozen=True)
class Packaged:
    """A project in which `doit package:mnist_u55` has run."""

    root: Path

    @property
    def variant(self) -> Path:
        return self.root / "build" / NAME / "ethos-u55-128"

    @property
    def package(self) -> Path:
        return self.variant / "package"

    @property
    def golden(self) -> Path:
        return self.root / "build" / NAME / "tosa-u55/golden.npz"

    @property
    def manifest(self) -> Any:
        return json.loads((self.variant / "manifest.json").read_text())


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    """Built by the first of pytest's processes that needs it."""
    if not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++") and shutil.which("cmake")):
        pytest.skip("no QEMU, cross compiler or CMake on this machine")
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "packaged"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "built").exists():
            _build(root)
            (root / "built").touch()
    return Packaged(root)


def _build(root: Path) -> None:
    for name in FILES:
        source, target = ROOT / "recipes" / name, root / "recipes" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    recipe = root / "recipes" / FILES[0]
    recipe.write_text(recipe.read_text().replace("{board: qemu-mps3-an547}", "{board: qemu-mps3-an547, npu: emulator}"))
    shutil.copyfile(ROOT / "dodo.py", root / "dodo.py")
    (root / "run").mkdir(mode=0o700)
    # The host's library is the one that other tests have compiled: it is verified before each use.
    native = cache_folder() / "native"
    native.mkdir(parents=True, exist_ok=True)
    (root / "cache/etbuild").mkdir(parents=True)
    (root / "cache/etbuild/native").symlink_to(native)
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(root / "run"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "ETBUILD_SERVER": "off",
    }
    done = subprocess.run(
        [sys.executable, "-m", "doit", f"package:{NAME}"], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
