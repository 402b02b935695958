"""Built projects that the tests of this folder change and build again."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from built_project import ALL, DODO, FakeProject, rebuilt
from noop_entries import STANDARD

from etbuild.system.digests import AT_REST_NS

# A dodo.py whose steps are done by fake_step.py, with the tools of this machine.
REAL_VERSIONS = DODO.replace("(__file__))", "(__file__, ToolVersions()))").replace(
    "import executor", "import executor\nfrom etbuild.build_engine.workspace import ToolVersions"
)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been built once, to be copied."""
    made = FakeProject(tmp_path_factory.mktemp("template"))
    assert rebuilt(made) == ALL
    return made.root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> FakeProject:
    """A project that has been built, in a folder of its own."""
    return FakeProject(Path(shutil.copytree(template, tmp_path / "project")))


@pytest.fixture(scope="session")
def standard_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been built, then got the standard dodo.py; its recipe has a variable of the environment."""
    made = FakeProject(tmp_path_factory.mktemp("template"), {**os.environ, "NET_FOLDER": "models"})
    made.recipe.write_text(made.recipe.read_text().replace("models/net.py", "$NET_FOLDER/net.py"))
    (made.root / "dodo.py").write_text(REAL_VERSIONS)
    assert rebuilt(made) == ALL
    (made.root / "dodo.py").write_text(STANDARD)
    return made.root


@pytest.fixture
def standard(standard_template: Path, tmp_path: Path) -> FakeProject:
    """A copy of it, every file at rest, with nothing to do and no entry in its no-op cache."""
    root = Path(shutil.copytree(standard_template, tmp_path / "project"))
    time.sleep(2 * AT_REST_NS / 1e9)
    return FakeProject(root, {**os.environ, "NET_FOLDER": "models"})
