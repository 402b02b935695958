"""What is in a firmware by symbol, from the linker's map. It knows no architecture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# An input section: its name, perhaps alone on its line, then address, size and object.
_PLACE = r"0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+)\s(?P<object>\S.*)"
_SECTION = re.compile(rf"^ (?P<name>[._a-zA-Z][\w.$-]*)(?:\s+{_PLACE})?$")
_REST = re.compile(rf"^ {{8,}}{_PLACE}$")
_FILL = re.compile(r"^ \*fill\*\s+0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+)\s*$")
_SYMBOL = re.compile(r"^ {8,}0x(?P<address>[0-9a-f]+) {8,}(?P<name>(?!0x)[^=\s](?:(?! = ).)*)$")
_OUTPUT = re.compile(r"^(?P<name>\.[\w.]+)(?:\s|$)")
_BEGIN = "Linker script and memory map"
_NOT_LOADED = (".debug", ".comment", ".ARM.attributes", ".note", ".texts", ".group", ".symtab", ".strtab", ".shstrtab")


class Symbol(NamedTuple):
    """An input section of the image, named by the symbol that it defines where the map has one."""

    name: str
    section: str
    bytes: int
    object: str


def symbols(lines: Iterable[str]) -> list[Symbol]:
    """The parts of an image, largest first. lines: of the linker's map."""
    found = (one._replace(name=_readable(one.name)) for one in _parts(lines))
    return sorted(found, key=lambda one: (-one.bytes, one.section, one.name, one.object))


def _object(path: str) -> str:
    """ "app/frame.o", "libc_nano.a(memcpy.o)": without folders of the machine."""
    name = path.removeprefix("objects/")
    return name if name != path else path.rsplit("/", 1)[-1]


def _readable(name: str) -> str:
    """A C++ name in an input section's name as namespaces and names; its parameters are left out."""
    mangled = re.search(r"_ZN?K?(?=\d)", name)
    if not mangled:
        return name
    parts, rest = [], name[mangled.end() :]
    while match := re.match(r"\d+", rest):
        end = match.end() + int(match[0])
        parts.append(rest[match.end() : end].replace("_GLOBAL__N_1", "(anonymous)"))
        rest = rest[end:]
        if "N" not in mangled[0]:
            break
    return "::".join(parts) or name


def _parts(lines: Iterable[str]) -> Iterator[Symbol]:
    waiting, section, made = "", "", None
    begun, padding = False, Counter[str]()
    for line in lines:
        begun = begun or line.startswith(_BEGIN)
        if not begun:
            continue
        if match := _OUTPUT.match(line):
            section = match["name"]
        if match := _SYMBOL.match(line):
            if made is not None and made.name.startswith("."):
                made = made._replace(name=match["name"].strip())
            continue
        if match := _FILL.match(line):
            padding[section] += int(match["size"], 16)
            continue
        match = _SECTION.match(line)
        if match and match["size"] is None:
            waiting = match["name"]
            continue
        name = match["name"] if match else waiting
        match = match or _REST.match(line)
        if match is None or not name:
            continue
        if made is not None:
            yield made
        made, waiting = None, ""
        size = int(match["size"], 16)
        if size and section and not section.startswith(_NOT_LOADED):
            made = Symbol(name, section, size, _object(match["object"]))
    if made is not None:
        yield made
    for name, size in padding.items():
        if name and not name.startswith(_NOT_LOADED):
            yield Symbol("stack" if name == ".stack" else "padding", name, size, "")
