"""Recipes with runtime.engine: executorch: where they are built for, and where they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etbuild.recipe.load import load

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def recipe(folder: Path, runtime: str, run: str = "{}") -> Recipe:
    (folder / "recipes").mkdir()
    path = folder / "recipes/one.yaml"
    path.write_text(f"model: {{builtin: mv2}}\ntargets: [{{npu: none}}]\nruntime: {runtime}\nrun: {run}\n")
    return load(path, folder, {})


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
