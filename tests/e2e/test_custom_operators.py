"""Operators of the user, registered with PyTorch, with C++ kernels: on the host, in QEMU, in a package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from distribution import ROOT

pytestmark = pytest.mark.e2e

SOURCES = Path(__file__).parent / "operators"
RECIPE = """\
model: {source: operators/net.py}
operators:
  - source: operators/soft_clip.py
    kernels: [operators/soft_clip.cc, operators/soft_clip.h]
targets:
  - {npu: ethos-u55-128, system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
runtime: {board: qemu-mps3-an547}
run: {on: qemu}
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(user LANGUAGES C CXX ASM)
find_package(net CONFIG REQUIRED)
add_executable(user)
target_link_libraries(user PRIVATE net::firmware)
"""
VARIANT = "build/net/ethos-u55-128"


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A project in a folder with a short name, so that its compile server's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="run") as folder:
        root = Path(folder) / "project"
        shutil.copytree(SOURCES, root / "recipes/operators", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "dodo.py", root)
        (root / "recipes/net.yaml").write_text(RECIPE)
        yield root


def doit(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(project.parent), "ETBUILD_SERVER_IDLE_S": "20"}
    command = [str(Path(sys.executable).with_name("doit")), *words]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def etbuild_run(project: Path) -> subprocess.CompletedProcess[str]:
    """The first vector by hand, with the user's kernels, recorded."""
    with np.load(project / "build/net/tosa-u55/golden.npz") as golden:
        np.save(project / "x.npy", golden["input_0"][0])
    kernels = ("--kernel", "recipes/operators/soft_clip.cc", "--kernel", "recipes/operators/soft_clip.h")
    words = ("run", f"{VARIANT}/model.pte", "--input", "x.npy", *kernels, "--etdump", "net.etdp")
    command = [str(Path(sys.executable).with_name("etbuild")), *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def ran(output: str) -> set[str]:
    return {line.split(":")[0].strip() for line in output.splitlines() if " ran " in line}


def _assert_the_package_links(package: Path, folder: Path) -> None:
    """A project of another build system finds the user's kernels in the package."""
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text(CMAKE)
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={package}/share/cmake/arm-none-eabi.cmake"
    configure = ["cmake", "-G", "Ninja", "-B", "out", toolchain, f"-DCMAKE_PREFIX_PATH={package}"]
    for command in (configure, ["ninja", "-C", "out"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_operators_of_the_user_run_exact_in_qemu_and_on_the_host(project: Path) -> None:
    """Two delegates with the operators between them; then a change of the kernel compiles no model again."""
    done = doit(project, "build:net")
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads((project / VARIANT / "run.json").read_text())
    assert run["on"] == "qemu"
    assert run["bit_exact"] == run["vectors"] > 1
    on_cpu = json.loads((project / VARIANT / "manifest.json").read_text())["operators"]["cpu"]
    assert {"own::soft_clip.out", "own::split_sign.out"} <= {one["operator"] for one in on_cpu}
    assert "kernel_soft_clip" in (project / VARIANT / "firmware.map").read_text()

    recorded = etbuild_run(project)
    assert recorded.returncode == 0, recorded.stdout + recorded.stderr
    assert doit(project, "package:net").returncode == 0
    _assert_the_package_links(project / VARIANT / "package", project / "user")

    header = project / "recipes/operators/soft_clip.h"
    header.write_text(header.read_text().replace("1.0f + size / bound", "1.0f + size / bound * 1.5f"))
    (project / "recipes/net.yaml").write_text(RECIPE.replace("on: qemu", "on: host"))
    wrong = doit(project, "build:net")
    assert wrong.returncode == 1
    assert "the difference arises in an operator on the CPU" in wrong.stdout + wrong.stderr
    assert not ran(wrong.stdout) & {"export", "quantize", "vela", "pte", "golden"}, wrong.stdout

    shutil.copy(SOURCES / "soft_clip.h", header)
    right = doit(project, "build:net")
    assert right.returncode == 0, right.stdout + right.stderr
    assert json.loads((project / VARIANT / "run.json").read_text())["runner"] == "host (emulated NPU)"


def test_an_operator_without_a_kernel_is_refused_when_it_is_lowered(project: Path) -> None:
    """With its name, the model's line, and what to write."""
    (project / "recipes/bare.yaml").write_text(
        RECIPE.replace("    kernels: [operators/soft_clip.cc, operators/soft_clip.h]\n", "")
    )

    done = doit(project, "build:bare")

    assert done.returncode == 1
    assert (
        "operators: got no kernel for own::soft_clip.out (recipes/operators/net.py:13), own::split_sign.out "
        "(recipes/operators/net.py:14), wanted one in operators[].kernels" in done.stdout + done.stderr
    ), done.stdout + done.stderr


def test_an_operator_that_no_file_registers_is_explained(project: Path) -> None:
    """Where a model registers its operators itself, the later steps cannot read the program."""
    (project / "recipes/alone.yaml").write_text(
        RECIPE[: RECIPE.index("operators:\n")] + RECIPE[RECIPE.index("targets") :]
    )
    source = (SOURCES / "net.py").read_text().replace("import torch\n", "import soft_clip\nimport torch\n")
    (project / "recipes/operators/net_alone.py").write_text(source)
    recipe = project / "recipes/alone.yaml"
    recipe.write_text(recipe.read_text().replace("net.py", "net_alone.py"))

    done = doit(project, "build:alone")

    assert done.returncode == 1
    assert "operators: [{source:" in done.stdout + done.stderr, done.stdout + done.stderr
