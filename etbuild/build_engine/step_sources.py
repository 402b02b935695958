"""Which of our own files a step's module runs through, found by reading imports. It imports none of them.

What a module reads beside Python stands in its SOURCES: a tuple of files and folders of the package, each in quotes.
"""

from __future__ import annotations

import ast
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.system.atomic import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etbuild.system.digests import Digests

# Python 3.11.7 counts the depth of all threads' parsing together: "AST constructor recursion depth mismatch".
_PARSING = threading.Lock()


class Sources:
    """The source files behind each module of this package, with their digests.

    memory: a JSON file, of all projects; what it holds of a module counts only while all files that it names are
            unchanged.
    """

    def __init__(self, digests: Digests, memory: Path):
        self._digests = digests
        self._memory = memory
        self._changed = False
        self._answers: dict[str, dict[str, str]] = {}
        self._closures: dict[str, dict[str, str]] = {}
        self._imported: dict[str, list[str]] = {}
        self._others: dict[str, set[str]] = {}
        try:
            closures = json.loads(memory.read_bytes())
            self._closures = {module: files for module, files in closures.items() if isinstance(files, dict)}
        except (OSError, ValueError, AttributeError):
            pass

    def of(self, module: str) -> dict[str, str]:
        """Digest by file (relative to the package) of a module and all of ours that it imports, at any depth."""
        if module in self._answers:
            return self._answers[module]
        known = self._closures.get(module)
        if known is None or any(self._digest(file) != digest for file, digest in known.items()):
            known = {file: self._digest(file) for file in sorted(self._closure(module))}
            self._closures[module] = known
            self._changed = True
        self._answers[module] = known
        return known

    def save(self) -> None:
        """raises: OSError, after which the memory is what it was."""
        if self._changed:
            write_whole(self._memory, json.dumps(self._closures))
            self._changed = False

    def _digest(self, file: str) -> str:
        return self._digests.of(PACKAGE / file) or ""

    def _closure(self, module: str) -> set[str]:
        found: set[str] = set()
        beside: set[str] = set()
        waiting = [_file(module)]
        while waiting:
            path = waiting.pop()
            if path is None or path in found:
                continue
            found.add(path)
            if path not in self._imported:
                names, others = _uses((PACKAGE / path).read_text())
                # In this order: another thread that finds the imports finds the others too.
                self._others[path] = others
                self._imported[path] = [file for name in dict.fromkeys(names) if (file := _file(name))]
            waiting += self._imported[path]
            beside |= self._others[path]
        return found | beside


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
    others: set[str] = set()
    with _PARSING:
        tree = ast.parse(text)
    for line in tree.body:
        if isinstance(line, ast.Assign) and [ast.unparse(target) for target in line.targets] == ["SOURCES"]:
            others |= set(ast.literal_eval(line.value))
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names, others


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement that may run: what stands under TYPE_CHECKING never does, and expressions import nothing."""
    yield node
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    for block in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, block, ()):
            yield from _walk(child)
