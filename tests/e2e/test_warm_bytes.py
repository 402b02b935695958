"""A build by the warm compile server and one by plain processes: the same bytes."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


def built(project: Path, environment: dict[str, str]) -> dict[str, bytes]:
    """Every output of the recipe."""
    shutil.copytree(ROOT / "recipes", project / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", project / "dodo.py")
    tasks = ["header:add_u55", "golden:add_u55", "sweep:add_u55"]
    done = subprocess.run(
        [tool("doit"), *tasks], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    folder = project / "build/add_u55"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def server(action: str, environment: dict[str, str]) -> str:
    command = [tool("etbuild"), "server", action]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_the_server_changes_no_byte(run_folder: Path, tmp_path: Path) -> None:
    """From export to .pte, golden and header, before and after its warm-up; it ran all six steps that it may run."""
    for folder in ("plain", "warming", "warm"):
        (tmp_path / folder).mkdir()
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(run_folder), "ETBUILD_CACHE": "off"}
    plain = built(tmp_path / "plain", {**environment, "ETBUILD_SERVER": "off"})
    environment.pop("ETBUILD_SERVER", None)
    try:
        warming = built(tmp_path / "warming", environment)
        while "warm      yes" not in (status := server("status", environment)):
            assert "warm      not yet" in status
            time.sleep(0.1)
        warm = built(tmp_path / "warm", environment)
    finally:
        stopped = server("stop", environment)

    assert stopped.endswith(", 12 steps served\n")
    assert sorted(warming) == sorted(warm) == sorted(plain)
    assert [name for name in plain if not warming[name] == warm[name] == plain[name]] == []
