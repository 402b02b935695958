"""Projects for the tests of steps: an empty one per test, and two that are compiled once per session."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

sys.path.insert(0, str(Path(__file__).parent))

import several_methods
from project import CONV, TWO_DELEGATES, U55, Project, compile_steps, recipe


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A convolution and a linear layer, compiled for the U55; everything runs on the NPU."""
    from etbuild.steps import golden

    made = Project(tmp_path_factory.mktemp("small"))
    made.write("model.py", CONV)
    made.run(*compile_steps(recipe(), U55), golden.step(recipe(lsb=1), "tosa-u55"))
    return made


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two convolutions on the NPU and an operator between them on the CPU."""
    from etbuild.steps import golden

    made = Project(tmp_path_factory.mktemp("split"))
    made.write("model.py", TWO_DELEGATES)
    made.run(*compile_steps(recipe(), U55), golden.step(recipe(lsb=1), "tosa-u55"))
    return made


@pytest.fixture(scope="session")
def two_methods(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Recipe]:
    """A program with the methods decode and encode, compiled for the U55 and run on the host; with a board."""
    made, one = several_methods.project_of(tmp_path_factory.mktemp("methods"), more=several_methods.RUNTIME)
    several_methods.build(made, one)
    return made, one
