"""Runs doit in a folder, for commands that need something built there. It chooses no recipe and reads no result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import MissingTool, StepError, UsageError
from etbuild.system import environment
from etbuild.system.programs import last_lines


def build(folder: Path, tasks: Sequence[str], **variables: str) -> None:
    """Build with this etbuild, also in a checkout of another one. variables: of the environment.

    raises: with doit's last lines: UsageError for a wrong recipe or task, MissingTool, else StepError.
    """
    done = subprocess.run(
        # -P: an etbuild in the folder is not imported in place of this one.
        [sys.executable, "-P", "-m", "doit", *tasks],
        cwd=folder,
        env=environment.with_variables(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = "\n".join(f"    {line}" for line in last_lines(done.stdout))
        kinds = {UsageError.exit_code: UsageError, MissingTool.exit_code: MissingTool}
        error = kinds.get(done.returncode, StepError)
        raise error(f"doit {' '.join(tasks)}: ended with exit code {done.returncode}\n{lines}")
