"""YAML as recipes may use it: scalars of YAML 1.2, and every value knows where it stands.

It refuses what is ambiguous or dangerous (duplicate keys, tags, leading zeros, several documents, documents that
grow when their aliases are followed) and reports each such fault instead of stopping at the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from etbuild.config.diagnostics import Diagnostics, KeyPath, Location, printable, quoted

MAX_BYTES = 256 * 1024
MAX_VALUES = 5000
MAX_DEPTH = 24


@dataclass(frozen=True)
class Scalar:
    """value: as YAML 1.2 reads it. shown: as the user wrote it. sound: False when it was reported already."""

    value: str | int | float | bool | None
    shown: str
    location: Location
    sound: bool = True


@dataclass(frozen=True)
class ListNode:
    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True)
class Entry:
    location: Location
    node: Node

    @property
    def message_location(self) -> Location:
        """Where a message points: the value, or its key when the value is nothing or begins on a later line."""
        nothing = isinstance(self.node, Scalar) and self.node.value is None
        return self.location if nothing or self.location.line < self.node.location.line else self.node.location


@dataclass(frozen=True)
class MapNode:
    entries: Mapping[str, Entry]
    location: Location


Node: TypeAlias = Scalar | ListNode | MapNode


def read(data: bytes, file: Path, diagnostics: Diagnostics) -> Node | None:
    """The one document in `data`, or None when its diagnostics leave nothing to look at.

    file: how messages name it.
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
    """The value without its places: dict, list, str, int, float, bool, None."""
    if isinstance(node, MapNode):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value


def described(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, MapNode):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node, ListNode):
        return "a list" if node.items else "an empty list"
    if node.value is None:
        return "nothing"
    return quoted(node.value) if isinstance(node.value, str) else node.shown


class _Stop(Exception):  # noqa: N818 - not an error: the fault was added already
    """Nothing more can be read from this file."""


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
    """Where the character after `before` stands."""
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
    """got, wanted and remedy for what the parser refuses."""
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
    """Builds the tree from the parser's events; one per file."""

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
        if isinstance(root, Scalar) and root.sound and root.value is None:
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
            node = Scalar(None, printable(event.tag), location, sound=False)
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
        """Follow YAML's `<<`: what the mapping itself says wins, then the first of the merged ones."""
        for node in merged:
            if isinstance(node, MapNode):
                for key, entry in node.entries.items():
                    entries.setdefault(key, entry)
            elif not isinstance(node, Scalar) or node.sound:
                self._diagnostics.add(node.location, (*path, "<<"), described(node), "an alias of a mapping")

    def _aliased(self, anchor: str, location: Location, path: KeyPath, depth: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            self._diagnostics.add(
                location, path, f"the alias *{printable(anchor)}", "an alias of an anchor that ends above it"
            )
            return Scalar(None, printable(anchor), location, sound=False)
        self._count(_size(node), depth + _height(node), location)
        return node

    def _scalar(self, event: Any, location: Location, path: KeyPath) -> Scalar:
        text: str = event.value
        if event.style:
            return Scalar(text, quoted(text), location)
        try:
            return Scalar(_plain_value(text), printable(text), location)
        except _Ambiguous as ambiguous:
            self._diagnostics.add(location, path, printable(text), ambiguous.wanted, ambiguous.remedy)
            return Scalar(None, printable(text), location, sound=False)

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


class _Ambiguous(Exception):  # noqa: N818 - carries a message, is never shown as an exception
    def __init__(self, wanted: str, remedy: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.remedy = remedy


def _plain_value(text: str) -> str | int | float | bool | None:
    """An unquoted scalar by YAML 1.2's core schema; what YAML 1.1 reads as another number is refused."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in (text.lower(), text.upper(), text.capitalize()):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        digits = text.lstrip("+-0") or "0"
        raise _Ambiguous("a number without leading zeros", f"write {digits[:40]}, or put text in quotes")
    for pattern, base in ((r"[-+]?[0-9]+", 10), (r"0o[0-7]+", 8), (r"0x[0-9a-fA-F]+", 16)):
        if re.fullmatch(pattern, text):
            value = int(text, base) if len(text) <= 66 else 2**64
            if abs(value) >= 2**63:
                raise _Ambiguous("a number of at most 64 bits", "")
            return value
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        number = float(text)
        if not math.isfinite(number):
            raise _Ambiguous("a finite number", "")
        return number
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        raise _Ambiguous("a finite number", "")
    return text
