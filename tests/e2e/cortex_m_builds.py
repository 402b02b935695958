"""Models built for a Cortex-M in a temporary project, and their results compared with the expected ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import Project, compile_steps, recipe

from etbuild.hardware.boards import board_file, load_board
from etbuild.recipe.runtime_sections import Run, Runtime

if TYPE_CHECKING:
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
    reason="no QEMU or no cross compiler on this machine",
)


def steps(one: Recipe, target: Target) -> list[Any]:
    from etbuild.steps import golden

    return [*compile_steps(one, target), golden.step(one, target.profile)]


def built(folder: Path, source: str, target: Target) -> Project:
    made = Project(folder)
    made.write("model.py", source)
    made.run(*steps(recipe(target, lsb=None), target))
    return made


def assert_the_host_is_exact(project: Project, target: Target) -> None:
    import numpy as np

    from etbuild.host.program import HostProgram

    golden = np.load(project.root / f"build/r/{target.profile}/golden.npz")
    program = HostProgram(project.root / f"build/r/{target.variant}/model.pte")
    for number, vector in enumerate(golden["input_0"]):
        for output, got in enumerate(program.run(vector)):
            assert np.array_equal(got, golden[f"output_{output}"][number])


def assert_qemu_is_exact(project: Project, target: Target) -> None:
    """The firmware gives the expected outputs bit by bit; an image without the model's kernels would not link."""
    from etbuild.steps import firmware, run

    file = board_file("qemu-mps3-an547")
    assert file
    board = load_board(file)
    runtime = Runtime(board, npu=board.npu.driver, stack_size=board.stack_size)
    one = recipe(target, lsb=None, runtime=runtime, run=Run(on="qemu", tolerance=0.0))
    made = [firmware.step(one, target), run.step(one, target)]

    project.run(*[step for step in made if step])

    report = project.json(f"build/r/{target.variant}/run.json")
    assert (report["on"], report["bit_exact"]) == ("qemu", report["vectors"])
