"""Projects for the tests of steps: an empty one per test, and two that are compiled once per session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

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
