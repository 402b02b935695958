"""Imports the modules of a model from their sources. It reads and writes no bytecode.

Python takes bytecode from __pycache__ when size and modification time of the source, in whole seconds, are those that
it was compiled from. Another source can have both.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

# A module that was looked up, the folders of its package (None for sys.path), and what was found.
LookedUp = Callable[[str, Sequence[str] | None, ModuleSpec | None], None]


class SourceLoader(SourceFileLoader):
    """Compiles a module from its source. source: what was compiled, once the module is loaded."""

    source: bytes = b""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        self.source = self.get_data(path)
        return self.source_to_code(self.source, path)


class ModelFinder:
    """The first entry of sys.meta_path while a model is loaded: asks the others, and takes over the user's modules.

    is_users:  whether a file belongs to the user.
    looked_up: called with each module that was not imported yet, and the result.
    """

    def __init__(self, is_users: Callable[[str], bool], looked_up: LookedUp):
        self._is_users = is_users
        self._looked_up = looked_up

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = next(filter(None, self._asked(name, path, target)), None)
        self._looked_up(name, path, spec)
        if spec is not None and type(spec.loader) is SourceFileLoader and self._is_users(str(spec.origin)):
            spec.loader = SourceLoader(spec.loader.name, spec.loader.path)
            spec.cached = None
        return spec

    def _asked(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> Iterator[ModuleSpec | None]:
        finders: list[Any] = [finder for finder in sys.meta_path if finder is not self]
        for finder in finders:
            if find := getattr(finder, "find_spec", None):
                yield find(name, path, target)


def imported_names(source: bytes) -> set[str]:
    """The first part of every absolute import in a source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
