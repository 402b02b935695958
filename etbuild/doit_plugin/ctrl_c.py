"""Ctrl-C in doit: one line and exit code 130 in place of a traceback, from the first of our modules that doit loads.

It kills no step; `Launcher.stop` does. What comes before, Python's start and the import of doit, is not ours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

EXIT_CODE = 130


def report() -> int:
    """Say that completed steps are kept; the exit code of an interrupted program."""
    print("\ninterrupted: completed steps are kept", file=sys.stderr)
    return EXIT_CODE


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's hook: Ctrl-C is no error, whatever it meets."""
    if issubclass(kind, KeyboardInterrupt):
        report()
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _show_error
