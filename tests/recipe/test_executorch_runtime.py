"""Recipes with runtime.engine: executorch: where they are built for, and where they run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from etbuild.recipe.load import load
from etbuild.steps import firmware

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def recipe(
    folder: Path,
    runtime: str,
    run: str = "{}",
    targets: str = "{npu: none}",
    env: Mapping[str, str] = MappingProxyType({}),
) -> Recipe:
    (folder / "recipes").mkdir()
    path = folder / "recipes/one.yaml"
    path.write_text(f"model: {{builtin: mv2}}\ntargets: [{targets}]\nruntime: {runtime}\nrun: {run}\n")
    return load(path, folder, dict(env))


@pytest.mark.parametrize("driver", ["", ", npu: emulator"])
def test_a_model_without_delegates_runs_on_executorch_whatever_the_boards_npu_is(tmp_path: Path, driver: str) -> None:
    """No delegate drives it."""
    found = recipe(tmp_path, f"{{board: qemu-mps3-an547, engine: executorch{driver}}}", "{on: qemu}")

    assert found.runtime is not None
    assert (found.runtime.engine, found.run.on) == ("executorch", "qemu")


def test_a_model_without_delegates_runs_in_qemu_on_a_board_with_an_npu(tmp_path: Path) -> None:
    """Nothing asks QEMU for the NPU that it lacks."""
    found = recipe(tmp_path, "{board: corstone-300}", "{on: qemu}")

    assert found.run.on == "qemu"


def test_the_source_of_executorch_is_a_key_of_the_runtime(tmp_path: Path) -> None:
    """Beside the prefix that was built from it."""
    found = recipe(tmp_path, "{board: corstone-300, engine: executorch, prefix: installed, source: executorch}")

    assert found.runtime is not None
    assert (found.runtime.prefix, found.runtime.source) == (Path("recipes/installed"), Path("recipes/executorch"))


def test_prefix_and_driver_of_the_environment_are_inputs_of_the_firmware(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise another driver would rebuild nothing. Inside the project by their relative paths, as for a cache."""
    monkeypatch.chdir(tmp_path)
    header = Path("cmsis/CMSIS/Core/Include/cmsis_compiler.h")
    for file in (Path("driver/CMakeLists.txt"), Path("driver/src/driver.c"), header, Path("installed/lib/a.a")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    places = {"EXECUTORCH_PREFIX": "installed", "ETHOSU_CORE_DRIVER": "driver", "CMSIS_PATH": "cmsis"}
    env = {name: str(tmp_path / folder) for name, folder in places.items()}
    for name, folder in env.items():
        monkeypatch.setenv(name, folder)
    found = recipe(tmp_path, "{board: corstone-300, engine: executorch}", targets="{npu: ethos-u55-128}", env=env)

    step = firmware.step(found, found.targets[0])

    assert step is not None
    inputs = ("installed", "driver/CMakeLists.txt", "driver/src", str(header.parent))
    assert step.inputs[-len(inputs) :] == inputs
    assert dict(found.env) == env
