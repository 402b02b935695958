"""The linters, formatters and the type checker run with the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"


@pytest.mark.parametrize("command", [("check", "--no-fix", "."), ("format", "--check", ".")])
def test_ruff_finds_nothing(command: tuple[str, ...]) -> None:
    """Lint and format of the whole tree."""
    check("ruff", *command)


def test_mypy_finds_nothing() -> None:
    """In strict mode, as pyproject.toml configures it."""
    # An incremental run after one of a few files alone may miss modules that are there.
    check("mypy", "--no-incremental")
