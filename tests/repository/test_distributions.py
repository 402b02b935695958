"""What the sdist and the wheel contain."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from distribution import BUILD_SDIST, ROOT, build_sdist, build_wheel, copy_sources


def needed_files() -> set[str]:
    """Everything that an etbuild needs at run time, as paths of the package."""
    files = {path for path in (ROOT / "etbuild").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    schemas = {f"etbuild/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    return {str(path.relative_to(ROOT)) for path in files if not path.name.startswith(".")} | schemas


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributions")
    return build_sdist(copy_sources(folder / "source"), folder / "dist")


def test_the_sdist_contains_everything_that_a_wheel_is_built_from(sdist: Path) -> None:
    """The schemas are outside the package there, as in the checkout."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {name.replace("etbuild/schemas/", "schemas/") for name in needed_files()}
    assert sorted(wanted - names) == []
    assert {"pyproject.toml", "setup.py", "README.md"} <= names


def test_the_wheel_of_the_sdist_contains_everything_that_is_read_at_run_time(sdist: Path, tmp_path: Path) -> None:
    """Modules, tables, boards, schemas and the C++ runtime's sources; no more."""
    with zipfile.ZipFile(build_wheel(sdist, tmp_path)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert sorted(names ^ needed_files()) == []


def test_a_package_without_schemas_is_not_built(tmp_path: Path) -> None:
    """Every command of it would fail."""
    source = copy_sources(tmp_path / "source")
    shutil.rmtree(source / "schemas")

    command = [sys.executable, "-c", BUILD_SDIST.replace("build_sdist", "build_wheel"), str(tmp_path)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.endswith(
        "schemas: got no *.json, wanted the JSON Schemas\n    take a whole checkout, or an sdist\n"
    )
