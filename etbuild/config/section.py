"""One section of a checked YAML tree: its values, with defaults, and its diagnostics, with locations.

A value that was reported already reads as absent, so that one mistake gives one message; only `has` still finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.config.paths import BadPathError, ProjectPaths
from etbuild.config.yaml_tree import ListNode, MapNode, Node, Scalar, plain
from etbuild.system.sizes import parse_size

if TYPE_CHECKING:
    from etbuild.config.diagnostics import Diagnostics, KeyPath, Location


@dataclass(frozen=True)
class Reading:
    """What all sections of one file share. bad: the paths of the values that were reported already."""

    diagnostics: Diagnostics
    paths: ProjectPaths
    bad: frozenset[KeyPath]

    def is_valid(self, path: KeyPath) -> bool:
        """Whether no value at or below this path was reported already."""
        return path not in self._at_or_above_bad

    @cached_property
    def _at_or_above_bad(self) -> frozenset[KeyPath]:
        return frozenset(path[:length] for path in self.bad for length in range(len(path) + 1))


@dataclass(frozen=True)
class Section:
    """A mapping of the file.

    node: the mapping; an empty one when the file has no such section.
    path: its keys from the top of the file.
    """

    node: MapNode
    path: KeyPath
    reading: Reading

    def has(self, key: str) -> bool:
        """Whether the file has the key, with a valid value or not."""
        return key in self.node.entries

    def location(self, key: str = "") -> Location:
        """The location of a value; that of the section when it has no such key."""
        entry = self.node.entries.get(key)
        return self.node.location if entry is None else entry.message_location

    def report(self, key: str, got: str, wanted: str, remedy: str = "", location: Location | None = None) -> None:
        """Add a diagnostic.

        key:      of this section; dotted for a key of a section below, "" for this section.
        location: in place of the key's own.
        """
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

    def size(self, key: str, default: int) -> int:
        """Bytes, from a number or from text such as "512 KiB"."""
        value = self._value(key)
        size = parse_size(value.replace(" ", "")) if isinstance(value, str) else value
        return size if isinstance(size, int) else default

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers, () when absent. Integers stay integers."""
        value = self._value(key)
        return tuple(value) if isinstance(value, list) else ()

    def alternatives(self, key: str) -> tuple[str, ...]:
        """A single value or a list of them, as text; () when absent."""
        value = self._value(key)
        return tuple(map(str, value)) if isinstance(value, list) else () if value is None else (str(value),)

    def is_list(self, key: str) -> bool:
        """Whether the value of the key is a list."""
        return self.has(key) and isinstance(self.node.entries[key].node, ListNode)

    def mapping(self, key: str) -> dict[str, Any]:
        """The values of a mapping by name; {} when absent."""
        value = self._value(key)
        return value if isinstance(value, dict) else {}

    def mappings(self, key: str) -> Iterator[tuple[str, Section]]:
        """The mappings in a mapping, by name."""
        section = self.section(key)
        for name in section.node.entries:
            yield name, section.section(name)

    def section(self, key: str) -> Section:
        """The section of a key; an empty one when absent."""
        path = (*self.path, key)
        entry = self.node.entries.get(key)
        if entry is None or not isinstance(entry.node, MapNode):
            return Section(MapNode({}, self.location(key)), path, self.reading)
        return Section(MapNode(entry.node.entries, entry.message_location), path, self.reading)

    def each(self, key: str) -> Iterator[Section]:
        """The mappings of a list; a mapping without a list counts as a list of one."""
        entry = self.node.entries.get(key)
        node = entry.node if entry else None
        if isinstance(node, MapNode):
            yield self.section(key)
        for index, item in enumerate(node.items if isinstance(node, ListNode) else ()):
            if isinstance(item, MapNode):
                yield Section(item, (*self.path, key, index), self.reading)

    def file(self, key: str, *suffixes: str, folder: bool = False) -> Path | None:
        """The path of an existing file that ends in one of `suffixes`, or of a folder; None when absent or reported."""
        node = self._node(key)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        try:
            return self.reading.paths.find(node.value, node.location.file, suffixes, folder)
        except BadPathError as bad:
            self.report(key, bad.got, bad.wanted, bad.remedy)
            return None

    def named_path(self, key: str) -> Path | None:
        """A path that need not exist on this machine; None when absent or reported."""
        node = self._node(key)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        try:
            return self.reading.paths.named(node.value, node.location.file)
        except BadPathError as bad:
            self.report(key, bad.got, bad.wanted, bad.remedy)
            return None

    def _node(self, key: str) -> Node | None:
        valid = self.reading.is_valid((*self.path, key))
        return self.node.entries[key].node if self.has(key) and valid else None

    def _value(self, key: str) -> object:
        node = self._node(key)
        return None if node is None else plain(node)
