"""Programs of tests/pte/files on the host, and the command `etbuild` on them."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from etbuild.host.program import HostProgram

FILES = Path(__file__).parents[1] / "pte" / "files"


def zeros(program: HostProgram) -> list[np.ndarray]:
    """Its inputs, all 0."""
    return [np.zeros(info.shape, info.dtype) for info in program.inputs]


def etbuild(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "etbuild.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
