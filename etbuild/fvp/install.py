"""Programs with the FVPs' names, for build systems that search them on PATH. It replaces no program of another kind."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.fvp.parameters import PROGRAMS

_MARK = "# A stand-in of etbuild for Arm's FVP of this name: docs/fvp.md."


def install(folder: Path) -> list[Path]:
    """Write the programs, each a script that starts this Python. return: their paths.

    raises: UsageError for a folder that cannot be written, and for a file that is another program.
    """
    text = f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(sys.executable)} -m etbuild.fvp.program "${{0##*/}}" "$@"\n'
    paths = [folder / name for name in PROGRAMS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            if path.exists() and _MARK.encode() not in path.read_bytes():
                raise UsageError(
                    f"etbuild fvp: --install: got {path}, wanted no program of another kind there\n"
                    "    name another folder, and put it first on PATH"
                )
        for path in paths:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
    except OSError as error:
        raise UsageError(
            f"etbuild fvp: --install: got {folder}, wanted a folder to write\n    {error.strerror}"
        ) from None
    return paths
