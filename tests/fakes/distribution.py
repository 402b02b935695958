"""etbuild as others get it: the sdist, and the wheel that is built from it. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD_SDIST = "import sys, setuptools.build_meta as build; build.build_sdist(sys.argv[1])"
PIP = (sys.executable, "-m", "pip")
OFFLINE = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")


def copy_sources(folder: Path) -> Path:
    """The files that both are made from; nothing of an earlier build. folder: is created."""
    for name in ("etbuild", "schemas"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"):
        shutil.copy(ROOT / name, folder)
    return folder


def build_sdist(source: Path, folder: Path) -> Path:
    """The .tar.gz in `folder`, which is created."""
    folder.mkdir(exist_ok=True)
    _run(sys.executable, "-c", BUILD_SDIST, str(folder), cwd=source)
    (sdist,) = folder.glob("*.tar.gz")
    return sdist


def build_wheel(sdist: Path, folder: Path) -> Path:
    """The .whl in `folder`, built from the unpacked sdist, so without the checkout."""
    shutil.unpack_archive(sdist, folder)
    (source,) = folder.glob("etbuild-*/")
    _run(*PIP, "wheel", *OFFLINE, "--wheel-dir", str(folder), str(source), cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(distribution: Path, site: Path) -> None:
    """Into a fresh folder."""
    _run(*PIP, "install", *OFFLINE, "--target", str(site), str(distribution), cwd=distribution.parent)


def environment(site: Path) -> dict[str, str]:
    """In which Python finds that etbuild before the checkout's; nothing is cached or served."""
    return {**os.environ, "PYTHONPATH": str(site), "ETBUILD_CACHE": "off", "ETBUILD_SERVER": "off"}


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
