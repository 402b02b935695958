"""A firmware for a board of the tests, and the user's settings of a test alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "firmware")]

from lab import Lab, build_image  # noqa: E402


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """firmware.elf, .bin, .hex of tests/pte/files/linear_u55.pte for the board `lab`, with the inputs of step run."""
    folder = tmp_path_factory.mktemp("image")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build_image(folder)
    return folder


@pytest.fixture
def lab(tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The image in a folder, with settings, caches and home of this test alone."""
    for name in ("HOST", "SERIAL", "PROBE", "GDB", "KEY", "PASSWORD"):
        monkeypatch.delenv(f"ETBUILD_BOARD_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    yield Lab(tmp_path, image_folder)
