"""A delegate that differs from its TOSA graph: the message names the first operation that does, with its layer."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from delegate_weights import offset_of, weights_of
from project import U55, Project, compile_steps

from etbuild.errors import StepError
from etbuild.recipe.load import load_all
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import golden, run

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PTE = Path("build/mnist_u55/ethos-u55-128/model.pte")
LAYERS = ["tosa_rescale_default", "tosa_rescale_default_1", "tosa_rescale_default_2", "tosa_reshape_default_2"]


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Step]:
    """The shipped recipe up to its .pte and golden, and its step run on the host."""
    project = Project(tmp_path_factory.mktemp("mnist"))
    shutil.copytree(ROOT / "recipes", project.root / "recipes")
    (one,) = (recipe for recipe in load_all(ROOT) if recipe.name == "mnist_u55")
    one = replace(one, run=Run(on="host"), runtime=None)
    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"))
    step = run.step(one, U55)
    assert step is not None
    return project, step


@pytest.mark.parametrize("tensor", LAYERS)
def test_a_bit_flipped_in_a_layers_weights_is_named_as_that_layer(mnist: tuple[Project, Step], tensor: str) -> None:
    """The first, second and last convolution, and the linear layer; all operations after it differ too."""
    project, step = mnist
    path = project.root / PTE
    right = path.read_bytes()
    at, size = weights_of(path)[tensor]
    start = offset_of(path) + at
    said = ""
    try:
        # Most bits change what the compressed weights mean; some make them no weights at all.
        for position in range(start + size // 2, start + size):
            wrong = bytearray(right)
            wrong[position] ^= 1
            path.write_bytes(wrong)
            try:
                project.run(step)
            except StepError as error:
                said = str(error)
            if "first operation that differs" in said:
                break
    finally:
        path.write_bytes(right)

    lines = said.splitlines()
    assert re.match(r"vector \d+, output 0: element ", lines[0])
    assert lines[1].startswith("    first in delegate 0, output 0: element ")
    assert lines[2].startswith(f"    first operation that differs: layer Conv2D {tensor}, operation ")
    assert "; " in lines[2] and " elements differ, by at most " in lines[2]
    assert lines[3].startswith("    written by operation ")


def test_the_same_program_unchanged_is_exact(mnist: tuple[Project, Step]) -> None:
    """So the messages are of the changed bits."""
    project, step = mnist

    project.run(step)

    assert project.json("build/mnist_u55/ethos-u55-128/run.json")["bit_exact"] == 16
