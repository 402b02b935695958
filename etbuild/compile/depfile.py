"""Records which files of the project are read while a model is loaded: the depfile of step export.

It sees files opened by Python (imports, open, numpy, torch.load) and by safetensors. A file that other native code
opens is not seen and must be named in the recipe.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.compile.exported_program import portable_path
from etbuild.system.provenance import digests

_PACKAGE = PACKAGE.resolve()


class Reads:
    """The files that are opened for reading, and the modules that are imported, inside `traced`."""

    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._active = False

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Record what this process reads inside this context.

        Python cannot remove an audit hook; after the context it does nothing.
        """
        before = set(sys.modules)
        self._active = True
        sys.addaudithook(self._hook)
        try:
            with _safetensors_recorded(self.record):
                yield
        finally:
            self._active = False
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file:
                    self.record(file)

    def record(self, path: Any) -> None:
        """Add a file that was read. path: as `open` accepts it."""
        self._opened.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - Path costs imports within a hook

    def files(self) -> tuple[Path, ...]:
        """Those files that are inputs in the project, relative to its root, sorted; no outputs, no packages."""
        found = {portable_path(file) for file in self._opened if os.path.isfile(file) and _is_users(Path(file))}  # noqa: PTH113
        return tuple(Path(path) for path in sorted(found) if _is_input(path))

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._active and event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR)
            if isinstance(path, (str, bytes, os.PathLike)) and not writes:
                self.record(path)


def write_depfile(path: Path, found: tuple[Path, ...], declared: Iterable[Path | None]) -> None:
    """Write deps.json. Its "inputs": files that were read and not declared; "digests": of all inputs, for the manifest.

    found:    from `Reads.files`.
    declared: inputs that the recipe names; None is ignored.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    known = set(declared)
    inputs = [file for file in found if file not in known]
    content = {"inputs": [file.as_posix() for file in inputs], "digests": digests((*inputs, *known))}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _is_users(file: Path) -> bool:
    """Whether a file is outside of this package, the environment and the interpreter."""
    real = file.resolve()
    others = (_PACKAGE, Path(sys.prefix), Path(sys.prefix).resolve(), Path(sysconfig.get_path("stdlib")))
    return not any(real.is_relative_to(folder) or file.is_relative_to(folder) for folder in others)


def _is_input(path: str) -> bool:
    """Whether a file of the project is an input. path: relative to the project."""
    first = path.split("/", 1)[0]
    generated = first == "build" or first.startswith(".") or first.endswith((".egg-info", ".dist-info"))
    return not generated and not path.endswith(".pyc") and (Path.cwd() / path).is_file()


@contextmanager
def _safetensors_recorded(record: Callable[[Any], None]) -> Iterator[None]:
    """Inside this context safetensors.safe_open calls `record` first; it opens files in native code, without an audit
    event."""
    import safetensors
    import safetensors.torch

    original = safetensors.safe_open

    def recorded(filename: Any, *arguments: Any, **options: Any) -> Any:
        record(filename)
        return original(filename, *arguments, **options)

    holders: tuple[Any, ...] = (safetensors, safetensors.torch)
    for holder in holders:
        holder.safe_open = recorded
    try:
        yield
    finally:
        for holder in holders:
            holder.safe_open = original
