"""Run a program to its end; when it fails, the error holds its command, exit code and last lines."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import StepError
from etbuild.system import environment

# How many lines of a failed program's output an error message shows.
LAST_LINES = 20


def run(command: Sequence[str], log: Path | None = None, program: Path | None = None) -> str:
    """Run a program; its standard output and standard error, in the order printed. Its environment is fixed.

    log:     a file for the whole output, also when it fails.
    program: the file to run, where the first word of the command is its name alone.
    raises:  StepError with the command ready to paste, the exit code and the last lines.
    """
    done = subprocess.run(
        command,
        executable=program,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment.compiler_environment(),
        text=True,
        errors="replace",
        check=False,
    )
    if log is not None:
        log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        lines = [f"{Path(command[0]).name}: ended with exit code {done.returncode}", f"    {shlex.join(command)}"]
        lines += last_lines(done.stdout)
        lines += [f"    full log: {log}"] if log is not None else []
        raise StepError("\n".join(lines))
    return done.stdout


def last_lines(text: str, count: int = LAST_LINES) -> list[str]:
    """The end of a program's output, for a message."""
    return text.splitlines()[-count:]
