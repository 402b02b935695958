"""One section of a checked recipe tree: its values with their defaults, and its diagnostics at their places.

What was reported already reads as absent here, so that one slip gives one message; `has` still knows of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.paths import BadPathError, ProjectPaths
from etbuild.config.yaml_tree import ListNode, MapNode, Node, Scalar, plain

if TYPE_CHECKING:
    from etbuild.config.diagnostics import Diagnostics, KeyPath, Location


@dataclass(frozen=True)
class Reading:
    """What all sections of one recipe share. bad: the paths of values that were reported already."""

    diagnostics: Diagnostics
    paths: ProjectPaths
    bad: frozenset[KeyPath]

    def sound(self, path: KeyPath) -> bool:
        """Whether nothing at or below this path was reported by the schema."""
        return path not in self._above_bad

    @cached_property
    def _above_bad(self) -> frozenset[KeyPath]:
        return frozenset(path[:length] for path in self.bad for length in range(len(path) + 1))


@dataclass(frozen=True)
class Section:
    """node: the mapping; an empty one where the recipe has no such section. path: its dotted key."""

    node: MapNode
    path: KeyPath
    reading: Reading

    def has(self, key: str) -> bool:
        """Whether the recipe has the key, right or wrong."""
        return key in self.node.entries

    def location(self, key: str = "") -> Location:
        """Where a value stands; where the section does when it has no such key."""
        entry = self.node.entries.get(key)
        return self.node.location if entry is None else entry.message_location

    def report(self, key: str, got: str, wanted: str, remedy: str = "", location: Location | None = None) -> None:
        path = (*self.path, *key.split(".")) if key else self.path
        self.reading.diagnostics.add(location or self.location(key), path, got, wanted, remedy)

    def text(self, key: str, default: str = "") -> str:
        value = self._value(key)
        return value if isinstance(value, str) else default

    def number(self, key: str, default: float) -> float:
        value = self._value(key)
        return float(value) if isinstance(value, (int, float)) else default

    def integer(self, key: str, default: int) -> int:
        value = self._value(key)
        return int(value) if isinstance(value, (int, float)) else default

    def flag(self, key: str, default: bool) -> bool:
        value = self._value(key)
        return value if isinstance(value, bool) else default

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers, () when absent. Integers stay integers."""
        value = self._value(key)
        return tuple(value) if isinstance(value, list) else ()

    def alternatives(self, key: str) -> tuple[str, ...]:
        """A text, or a list of them; () when absent."""
        value = self._value(key)
        return tuple(map(str, value)) if isinstance(value, list) else () if value is None else (str(value),)

    def is_list(self, key: str) -> bool:
        return self.has(key) and isinstance(self.node.entries[key].node, ListNode)

    def section(self, key: str) -> Section:
        path = (*self.path, key)
        entry = self.node.entries.get(key)
        if entry is None or not isinstance(entry.node, MapNode):
            return Section(MapNode({}, self.location(key)), path, self.reading)
        return Section(MapNode(entry.node.entries, entry.message_location), path, self.reading)

    def each(self, key: str) -> Iterator[Section]:
        """The mappings of a list, or the mapping itself where one may stand for the list."""
        entry = self.node.entries.get(key)
        node = entry.node if entry else None
        if isinstance(node, MapNode):
            yield self.section(key)
        for index, item in enumerate(node.items if isinstance(node, ListNode) else ()):
            if isinstance(item, MapNode):
                yield Section(item, (*self.path, key, index), self.reading)

    def file(self, key: str, *suffixes: str, folder: bool = False) -> Path | None:
        """The path of an existing file that ends in one of `suffixes`; None when absent or wrong."""
        node = self._node(key)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        try:
            return self.reading.paths.find(node.value, node.location.file, suffixes, folder)
        except BadPathError as bad:
            self.report(key, bad.got, bad.wanted, bad.remedy)
            return None

    def named_path(self, key: str) -> Path | None:
        """A path that need not exist on this machine; None when absent or wrong."""
        node = self._node(key)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        try:
            return self.reading.paths.named(node.value, node.location.file)
        except BadPathError as bad:
            self.report(key, bad.got, bad.wanted, bad.remedy)
            return None

    def _node(self, key: str) -> Node | None:
        sound = self.reading.sound((*self.path, key))
        return self.node.entries[key].node if self.has(key) and sound else None

    def _value(self, key: str) -> object:
        node = self._node(key)
        return None if node is None else plain(node)
