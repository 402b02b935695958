"""The linters, formatters and the type checker, so that one command tells all."""

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
    """Lint and format, the whole tree."""
    check("ruff", *command)


def test_mypy_finds_nothing() -> None:
    """Strict, as pyproject.toml says."""
    # An incremental run after one of a few files alone may miss modules that are there.
    check("mypy", "--no-incremental")
