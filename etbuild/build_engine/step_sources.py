"""The source files that a step's program consists of, found by reading import statements. It imports none of them.

Data files that a module reads are named in its SOURCES: a tuple of files and folders of the package, as literals.
"""

from __future__ import annotations

import ast
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etbuild.system.digests import Digests

# Python 3.11.7 counts the recursion depth of all threads' parsing together: "AST constructor recursion depth mismatch".
_PARSING = threading.Lock()

_FOLDER = str(PACKAGE)


class StepSources:
    """The source files behind each module of this package, with their digests.

    cache_file: a JSON file, shared by all projects; its entry for a module is valid while all files that the entry
                names are unchanged.
    """

    def __init__(self, digests: Digests, cache_file: Path):
        self._digests = digests
        self._cache_file = cache_file
        self._changed = False
        self._answers: dict[str, dict[str, str]] = {}
        self._closures: dict[str, dict[str, str]] = {}
        self._imported: dict[str, list[str]] = {}
        self._data_files: dict[str, set[str]] = {}
        try:
            closures = json.loads(cache_file.read_bytes())
            self._closures = {module: files for module, files in closures.items() if isinstance(files, dict)}
        except (OSError, ValueError, AttributeError):
            pass

    def of(self, module: str) -> dict[str, str]:
        """Digest by file (relative to the package) of a module and all our modules that it imports, at any depth."""
        if module in self._answers:
            return self._answers[module]
        found = self._closures.get(module)
        if found is None or any(self._digest(file) != digest for file, digest in found.items()):
            found = {file: self._digest(file) for file in sorted(self._closure(module))}
            self._closures[module] = found
            self._changed = True
        self._answers[module] = found
        return found

    def save(self) -> None:
        """raises: OSError, after which the cache file is unchanged."""
        if self._changed:
            write_atomic(self._cache_file, json.dumps(self._closures))
            self._changed = False

    def _digest(self, file: str) -> str:
        return self._digests.of(f"{_FOLDER}/{file}") or ""  # No Path for each: hundreds of files in every build.

    def _closure(self, module: str) -> set[str]:
        found: set[str] = set()
        data: set[str] = set()
        waiting = [_file(module)]
        while waiting:
            path = waiting.pop()
            if path is None or path in found:
                continue
            found.add(path)
            if path not in self._imported:
                names, data_files = _uses((PACKAGE / path).read_text())
                # In this order: a thread that finds the imports of a file finds its data files too.
                self._data_files[path] = data_files
                self._imported[path] = [file for name in dict.fromkeys(names) if (file := _file(name))]
            waiting += self._imported[path]
            data |= self._data_files[path]
        return found | data


def _file(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    for candidate in (Path(*parts[1:]).with_suffix(".py") if parts[1:] else None, Path(*parts[1:], "__init__.py")):
        if candidate is not None and (PACKAGE / candidate).is_file():
            return str(candidate)
    return None


def _uses(text: str) -> tuple[list[str], set[str]]:
    """The modules that a file imports, and its SOURCES."""
    names: list[str] = []
    data_files: set[str] = set()
    with _PARSING:
        tree = ast.parse(text)
    for line in tree.body:
        if isinstance(line, ast.Assign) and [ast.unparse(target) for target in line.targets] == ["SOURCES"]:
            data_files |= set(ast.literal_eval(line.value))
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names, data_files


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement that may run: a block under TYPE_CHECKING never does, and expressions import nothing."""
    yield node
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            yield from _statements(child)
