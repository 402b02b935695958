"""No output depends on the folder of the checkout, or on whether the compile server ran the steps."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etbuild.build_engine.server import client
from etbuild.steps.server import SERVER

ROOT = Path(__file__).parent.parent.parent
RECIPES = ("mnist_u55", "fallback_u55")


def build(folder: Path, **settings: str) -> dict[str, bytes]:
    """Every output of RECIPES, built in its own folder without a cache."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dodo.py", folder)
    doit = [str(Path(sys.executable).with_name("doit")), *(f"build:{name}" for name in RECIPES)]
    environment = {**os.environ, "ETBUILD_CACHE": "off", **settings}
    done = subprocess.run(doit, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files = [path for name in RECIPES for path in (folder / "build" / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): _without_duration(path) for path in files}


def _without_duration(path: Path) -> bytes:
    """The content without the duration in run.json."""
    if path.name != "run.json":
        return path.read_bytes()
    data = json.loads(path.read_bytes())
    data["figures"].pop("duration", None)
    return json.dumps(data).encode()


@pytest.mark.e2e
def test_two_folders_and_two_kinds_of_process_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short path with plain processes, a long one with a space and the server."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    plain = build(tmp_path / "a", ETBUILD_SERVER="off")
    warm = build(tmp_path / "another folder" / "further down")
    stopped = client.ask(SERVER, "stop")

    assert stopped is not None
    assert sorted(plain) == sorted(warm)
    assert [name for name in plain if plain[name] != warm[name]] == []
