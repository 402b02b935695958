"""Which files of the project a piece of Python reads while it runs, as a compiler's depfile tells it.

It sees what goes through Python (imports, open, numpy, torch.load) and safetensors; a file that other native code
opens by itself escapes it and must be named in the recipe.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.compile.exported_program import portable_path
from etbuild.system.provenance import digests

_PACKAGE = PACKAGE.resolve()


class Reads:
    """The files that were opened for reading, and the modules that were imported, while tracing was on."""

    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._active = False

    @contextmanager
    def traced(self) -> Iterator[None]:
        """An audit hook cannot be taken away again, so this one falls silent instead."""
        before = set(sys.modules)
        self._active = True
        sys.addaudithook(self._hook)
        try:
            with _safetensors_told(self.note):
                yield
        finally:
            self._active = False
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file:
                    self.note(file)

    def note(self, path: Any) -> None:
        self._opened.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - Path costs imports within a hook

    def files(self) -> tuple[Path, ...]:
        """The files of the project among them, relative to its root, sorted; neither outputs nor packages."""
        found = {portable_path(file) for file in self._opened if os.path.isfile(file) and _belongs(Path(file))}  # noqa: PTH113
        return tuple(Path(path) for path in sorted(found) if _is_input(path))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._active and event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
            if isinstance(path, (str, bytes, os.PathLike)) and not writes:
                self.note(path)


def write_depfile(path: Path, found: tuple[Path, ...], declared: Iterable[Path | None]) -> None:
    """inputs: what was read and not declared; digests: of all that was read, for the manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = set(declared)
    inputs = [file for file in found if file not in known]
    told = {"inputs": [file.as_posix() for file in inputs], "digests": digests((*inputs, *known))}
    path.write_text(json.dumps(told, indent=1) + "\n")


def _belongs(file: Path) -> bool:
    """Whether a file is the user's: not of this package, of the environment or of the interpreter."""
    real = file.resolve()
    foreign = (_PACKAGE, Path(sys.prefix), Path(sys.prefix).resolve(), Path(sysconfig.get_path("stdlib")))
    return not any(real.is_relative_to(folder) or file.is_relative_to(folder) for folder in foreign)


def _is_input(path: str) -> bool:
    first = path.split("/", 1)[0]
    made = first == "build" or first.startswith(".") or first.endswith((".egg-info", ".dist-info"))
    return not made and not path.endswith(".pyc") and (Path.cwd() / path).is_file()


@contextmanager
def _safetensors_told(note: Any) -> Iterator[None]:
    """safetensors opens files in native code, which no audit hook sees; while this lasts, it says so to `note`."""
    import safetensors
    import safetensors.torch

    own = safetensors.safe_open

    def told(filename: Any, *arguments: Any, **options: Any) -> Any:
        note(filename)
        return own(filename, *arguments, **options)

    holders: tuple[Any, ...] = (safetensors, safetensors.torch)
    for holder in holders:
        holder.safe_open = told
    try:
        yield
    finally:
        for holder in holders:
            holder.safe_open = own
