"""Finds the model's code among the callers of a function. It decides only by file names."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FrameType

from etbuild import PACKAGE

_PACKAGE = str(PACKAGE.resolve())
_STANDARD = sysconfig.get_path("stdlib")
# Our own modules that are on the call stack between a model and what it calls.
_BETWEEN = tuple(
    f"{_PACKAGE}/{name}"
    for name in ("compile/depfile", "compile/imports", "compile/callers", "compile/source_", "system/environment")
)


@cache
def is_users(file: str) -> bool:
    """Whether a file is outside of this package, the environment and the interpreter."""
    if file.startswith("<"):
        return False
    path = Path(file)
    real = path.resolve()
    others = (Path(_PACKAGE), Path(sys.prefix), Path(sys.prefix).resolve(), Path(_STANDARD), Path(_STANDARD).resolve())
    return not any(real.is_relative_to(folder) or path.is_relative_to(folder) for folder in others)


def users_line() -> str | None:
    """ "file:line" of the innermost line of the model that led to the call; None when it was not the model's."""
    for frame in _frames():
        if is_users(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return None


def is_users_call() -> bool:
    """Whether the model calls, itself or through the standard library; an import by the interpreter is no call."""
    for frame in _frames():
        file = frame.f_code.co_filename
        if file.startswith("<frozen importlib"):
            return False
        if not _is_standard(file):
            return is_users(file)
    return False


def is_users_import() -> bool:
    """Whether a line of the model imports or looks for a module, itself or through importlib."""
    for frame in _frames():
        file = frame.f_code.co_filename
        if not file.startswith(("<frozen importlib", f"{_STANDARD}/importlib/")):
            return is_users(file)
    return False


@cache
def _is_standard(file: str) -> bool:
    inside = file.startswith((f"{_STANDARD}/", "<frozen ", "<string>"))
    return inside and "/site-packages/" not in file and "/dist-packages/" not in file


def _frames() -> Iterator[FrameType]:
    """The callers from the innermost outwards, up to our own code that loads the model."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_BETWEEN):
            if file.startswith(f"{_PACKAGE}/"):
                return
            yield frame
        frame = frame.f_back
