"""Reads YAML files into a tree whose values have locations; scalars are those of YAML 1.2.

It rejects what is ambiguous or dangerous: duplicate keys, tags, leading zeros, several documents, documents that grow
when their aliases are expanded. It reports every such problem instead of stopping at the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from etbuild.config.diagnostics import Diagnostics, KeyPath, Location, printable, quoted
from etbuild.config.yaml_scalars import ScalarError, plain_value

MAX_BYTES = 256 * 1024
MAX_VALUES = 5000
MAX_DEPTH = 24


@dataclass(frozen=True)
class Scalar:
    """value: as YAML 1.2 reads it. written: as in the file, printable. valid: False when it was reported already."""

    value: str | int | float | bool | None
    written: str
    location: Location
    valid: bool = True


@dataclass(frozen=True)
class ListNode:
    """location: of its first character."""

    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True)
class Entry:
    """One key of a mapping. location: of the key."""

    location: Location
    node: Node

    @property
    def message_location(self) -> Location:
        """The location for messages: the value, or its key when the value is empty or begins on a later line."""
        nothing = isinstance(self.node, Scalar) and self.node.value is None
        return self.location if nothing or self.location.line < self.node.location.line else self.node.location


@dataclass(frozen=True)
class MapNode:
    """location: of its first character."""

    entries: Mapping[str, Entry]
    location: Location


Node: TypeAlias = Scalar | ListNode | MapNode


def read(data: bytes, file: Path, diagnostics: Diagnostics) -> Node | None:
    """The one document in `data`; None when it is empty or unreadable, which is then reported.

    file: its name in messages.
    """
    start = Location(file, 1, 1)
    if len(data) > MAX_BYTES:
        diagnostics.add(start, (), f"a file of more than {MAX_BYTES} bytes", "a file that a person can read")
        return None
    text = _decoded(data, file, diagnostics)
    if text is None:
        return None
    composer = _Composer(file, diagnostics)
    try:
        return composer.document(_events(text, file, diagnostics))
    except _Stop:
        return None


def plain(node: Node) -> Any:
    """The value without locations: dict, list, str, int, float, bool, None."""
    if isinstance(node, MapNode):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def described(node: Node) -> str:
    """The value as a phrase for a message."""
    if isinstance(node, MapNode):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node, ListNode):
        return "a list" if node.items else "an empty list"
    if node.value is None:
        return "nothing"
    return quoted(node.value) if isinstance(node.value, str) else node.written


class _Stop(Exception):  # noqa: N818 - control flow, not an error: the problem was reported already
    """Reading this file ends here."""


def _decoded(data: bytes, file: Path, diagnostics: Diagnostics) -> str | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        diagnostics.add(_location_of(file, before), (), f"the byte 0x{data[error.start]:02x}", "text in UTF-8")
        return None
    forbidden = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]", text)
    if forbidden:
        got = f"the character U+{ord(forbidden[0]):04X}"
        diagnostics.add(_location_of(file, text[: forbidden.start()]), (), got, "text without control characters")
        return None
    return text


def _location_of(file: Path, before: str) -> Location:
    """The location of the character that follows the text `before`."""
    line_start = before.rfind("\n") + 1
    return Location(file, before.count("\n") + 1, len(before) - line_start + 1)


def _events(text: str, file: Path, diagnostics: Diagnostics) -> Iterator[Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        location = Location(file, mark.line + 1, mark.column + 1) if mark else Location(file, 1, 1)
        diagnostics.add(location, (), *_syntax_message(error, text, location))
        raise _Stop from None


def _character_at(text: str, location: Location) -> str:
    lines = text.split("\n")
    line = lines[location.line - 1] if location.line <= len(lines) else ""
    return line[location.column - 1 : location.column]


def _syntax_message(error: Any, text: str, location: Location) -> tuple[str, str, str]:
    """got, wanted and remedy for an error of the YAML parser."""
    reason = str(getattr(error, "problem", "") or getattr(error, "reason", "") or error)
    context, mark = str(getattr(error, "context", "") or ""), getattr(error, "context_mark", None)
    character = _character_at(text, location)
    if character == "\t" or "tab character" in reason:
        return "a tab", "spaces", "YAML does not indent with tabs"
    remedy = ""
    if "mapping values are not allowed" in reason:
        remedy = 'quote text that holds ": ", and indent a key deeper than the key that holds it'
    elif mark and any(word in context for word in ("flow sequence", "flow mapping", "quoted scalar")):
        opening = _character_at(text, Location(location.file, mark.line + 1, mark.column + 1))
        remedy = f"the {opening} in line {mark.line + 1} is not closed, or a comma is missing after it"
    elif "block" in context:
        remedy = "keys of one mapping, and entries of one list, begin in one column"
    elif character and character in "@`%&*!|>":
        remedy = f"quote text that starts with {character}"
    return f"text that YAML cannot read: {printable(reason)}", "valid YAML", remedy


class _Composer:
    """Builds the tree of one file from the events of the YAML parser."""

    def __init__(self, file: Path, diagnostics: Diagnostics) -> None:
        self._file = file
        self._diagnostics = diagnostics
        self._anchors: dict[str, Node] = {}
        self._values = 0

    def document(self, events: Iterator[Any]) -> Node | None:
        from yaml import events as kinds

        next(events)
        event = next(events)
        if isinstance(event, kinds.StreamEndEvent):
            self._add_empty()
            return None
        if event.tags or event.version not in (None, (1, 2)):
            self._diagnostics.add(self._location(event), (), "a YAML directive", "none", "recipes are read as YAML 1.2")
        root = self._node(next(events), events, (), 0)
        next(events)
        event = next(events)
        if not isinstance(event, kinds.StreamEndEvent):
            self._diagnostics.add(
                self._location(event), (), "a second document", "one document in a file", "delete the ---"
            )
            raise _Stop
        if isinstance(root, Scalar) and root.valid and root.value is None:
            self._add_empty()
            return None
        return root

    def _add_empty(self) -> None:
        self._diagnostics.add(Location(self._file, 1, 1), (), "an empty file", "a mapping")

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath, depth: int) -> Node:
        from yaml import events as kinds

        location = self._location(event)
        self._count(1, depth, location)
        if isinstance(event, kinds.AliasEvent):
            return self._aliased(str(event.anchor), location, path, depth)
        node: Node
        if isinstance(event, kinds.ScalarEvent):
            node = self._scalar(event, location, path)
        elif isinstance(event, kinds.SequenceStartEvent):
            node = ListNode(self._items(events, path, depth), location)
        else:
            node = MapNode(self._entries(events, path, depth), location)
        if event.tag is not None:
            remedy = "delete the tag; put text in quotes"
            self._diagnostics.add(location, path, f"the tag {printable(event.tag)}", "a plain value", remedy)
            node = Scalar(None, printable(event.tag), location, valid=False)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _items(self, events: Iterator[Any], path: KeyPath, depth: int) -> tuple[Node, ...]:
        from yaml import events as kinds

        items: list[Node] = []
        while not isinstance(event := next(events), kinds.SequenceEndEvent):
            items.append(self._node(event, events, (*path, len(items)), depth + 1))
        return tuple(items)

    def _entries(self, events: Iterator[Any], path: KeyPath, depth: int) -> dict[str, Entry]:
        from yaml import events as kinds

        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        while not isinstance(event := next(events), kinds.MappingEndEvent):
            location = self._location(event)
            if not isinstance(event, kinds.ScalarEvent) or event.tag is not None:
                self._diagnostics.add(location, path, "a key that is not plain text", "a name")
                self._node(event, events, path, depth + 1)
                self._node(next(events), events, path, depth + 1)
                continue
            key = event.value
            node = self._node(next(events), events, (*path, key), depth + 1)
            if key == "<<" and not event.style:
                merged += node.items if isinstance(node, ListNode) else [node]
            elif key in entries:
                first = entries[key].location
                got = f"the key again, after line {first.line}"
                self._diagnostics.add(location, (*path, key), got, "each key once")
            else:
                entries[key] = Entry(location, node)
        self._merge(entries, merged, path)
        return entries

    def _merge(self, entries: dict[str, Entry], merged: list[Node], path: KeyPath) -> None:
        """Apply `<<` of YAML: keys of the mapping itself win, then those of the first merged mapping."""
        for node in merged:
            if isinstance(node, MapNode):
                for key, entry in node.entries.items():
                    entries.setdefault(key, entry)
            elif not isinstance(node, Scalar) or node.valid:
                self._diagnostics.add(node.location, (*path, "<<"), described(node), "an alias of a mapping")

    def _aliased(self, anchor: str, location: Location, path: KeyPath, depth: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            self._diagnostics.add(
                location, path, f"the alias *{printable(anchor)}", "an alias of an anchor that ends above it"
            )
            return Scalar(None, printable(anchor), location, valid=False)
        self._count(_size(node), depth + _height(node), location)
        return node

    def _scalar(self, event: Any, location: Location, path: KeyPath) -> Scalar:
        text: str = event.value
        if event.style:
            return Scalar(text, quoted(text), location)
        try:
            return Scalar(plain_value(text), printable(text), location)
        except ScalarError as error:
            self._diagnostics.add(location, path, printable(text), error.wanted, error.remedy)
            return Scalar(None, printable(text), location, valid=False)

    def _count(self, values: int, depth: int, location: Location) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            self._diagnostics.add(location, (), f"more than {MAX_VALUES} values", "a file that a person can read")
            raise _Stop
        if depth > MAX_DEPTH:
            self._diagnostics.add(
                location, (), f"values nested more than {MAX_DEPTH} deep", "a file that a person can read"
            )
            raise _Stop

    def _location(self, event: Any) -> Location:
        return Location(self._file, event.start_mark.line + 1, event.start_mark.column + 1)


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, MapNode):
        return tuple(entry.node for entry in node.entries.values())
    return node.items if isinstance(node, ListNode) else ()


def _size(node: Node) -> int:
    return 1 + sum(map(_size, _children(node)))


def _height(node: Node) -> int:
    return 1 + max(map(_height, _children(node)), default=-1)
