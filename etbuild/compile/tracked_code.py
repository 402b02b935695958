"""Runs what a recipe names in a Python file of the user, in any step, and records what that code reads.

It knows no key of a recipe, and judges nothing of what the code returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etbuild.compile.depfile import Reads, write_depfile
from etbuild.compile.inputs import kind
from etbuild.compile.user_code import import_path, import_source, users_code
from etbuild.errors import StepError


class UserCode:
    """The user's code of one step. A file is imported once, however many entries of it are used.

    subprocesses_declared, key: as of Reads.
    """

    def __init__(self, subprocesses_declared: bool = False, key: str = "") -> None:
        self._reads = Reads(subprocesses_declared, key=key)
        self._modules: dict[Path, Any] = {}

    @contextmanager
    def running(self, doing: str) -> Iterator[None]:
        """Inside this context what the user's code reads is recorded, and its errors are those of `users_code`.

        doing: what is being executed, the beginning of the message.
        """
        with self.recorded(), users_code(doing):
            yield

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside this context what the user's code reads is recorded."""
        with import_path(), self._reads.traced():
            yield

    def entry(self, source: Path, name: str, key: str) -> Any:
        """The class, function or object with this name in the file.

        key:    of the recipe that names it, for messages.
        raises: StepError when there is none, and for errors of the file.
        """
        module = self.module(source, key)
        if not hasattr(module, name):
            raise StepError(f"{source}: {key}: got no {name}, wanted a class or function of this name")
        return getattr(module, name)

    def module(self, source: Path, key: str) -> Any:
        """The file as a module. key, raises: as of `entry`."""
        if source not in self._modules:
            with self.running(f"{source}: import"):
                self._modules[source] = import_source(source, f"the file that {key} names")
        return self._modules[source]

    def operators(self, source: Path) -> Any:
        """A file that registers operators. raises: as of `module`."""
        return self.module(source, "operators[].source")

    def made(self, source: Path, name: str, key: str, **options: Any) -> Any:
        """The entry; if it is a class, an object of it, made with these options.

        raises: StepError as of `entry`, for errors of the class, and for what cannot be called.
        """
        found = self.entry(source, name, key)
        if isinstance(found, type):
            with self.running(f"{source}: {name}()"):
                found = found(**options)
        if not callable(found):
            raise StepError(f"{source}: {key}: got {kind(found)}, wanted a class or function")
        return found

    def write_depfile(self, path: Path, declared: Iterable[Path | None]) -> None:
        """The step's depfile. declared: as of `depfile.write_depfile`."""
        write_depfile(path, self._reads, declared)
