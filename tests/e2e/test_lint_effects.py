"""The effect that lint measures of a patch is that of applying the patch and building: ten findings on real models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from distribution import ROOT

from etbuild.report.figures import read_manifest_and_vela, variant_figures

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

DOIT = str(Path(sys.executable).with_name("doit"))
ARCHITECTURE = {
    "model": {"source": "models/architectures/classifiers.py", "entry": "ds_cnn"},
    "targets": [{"npu": "ethos-u55-128"}],
    "run": {"on": "host"},
}
RECIPES = ("ic", "kws", "fallback_u55", "ds_cnn")
MOST = 0.05


def project(root: Path) -> Path:
    """The shipped recipes, and a recipe of an architecture."""
    shutil.copytree(ROOT / "recipes", root / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "tests/e2e/architectures",
        root / "recipes/models/architectures",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "dodo.py", root)
    (root / "recipes/ds_cnn.yaml").write_text(yaml.safe_dump(ARCHITECTURE))
    return root


def doit(root: Path, *words: str, **variables: str) -> str:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(root), **variables}
    done = subprocess.run(
        [DOIT, *words], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=1200
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and lint with what each patch brings."""
    root = project(tmp_path_factory.mktemp("linted"))
    for name in RECIPES:
        doit(root, f"lint:{name}", "--budget", "900", ETBUILD_CACHE=str(root / "cache"))
    return root


def test_the_effects_of_ten_patches_are_those_of_builds_with_them(linted: Path, tmp_path: Path) -> None:
    """In a fresh copy, with an empty cache: every figure within 5 %; most of the ten save cycles."""
    compared, saved = 0, 0
    for name in RECIPES:
        for number, one in enumerate(json.loads((linted / f"build/{name}/lint.json").read_text())["findings"], 1):
            if one["effect"] is None:
                continue
            effect = one["effect"]
            assert effect["how"] == "measured", one
            root = project(tmp_path / f"{name}{number}")
            patch = linted / f"build/{name}/lint/{number}.patch"
            subprocess.run(["patch", "-p1", "-s", "-i", str(patch)], cwd=root, check=True)
            said = doit(root, f"pte:{name}@{effect['variant']}", ETBUILD_CACHE=str(root / "cache"))
            built: Any = variant_figures(*read_manifest_and_vela(root / "build" / name / effect["variant"]))
            for figure in effect["figures"]:
                if figure["name"] in built:
                    value = built[figure["name"]]["value"]
                    assert abs(value - figure["after"]) <= MOST * abs(value), (one, said)
            cycles = next(figure for figure in effect["figures"] if figure["name"] == "cycles")
            compared += 1
            saved += cycles["after"] < cycles["before"]

    assert (compared >= 10, saved >= 6) == (True, True), (compared, saved)
