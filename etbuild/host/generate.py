"""Writes etbuild/host/abi.py, the host library's structures and signatures for ctypes, from runtime/port/host/host.h.

Run as `python -m etbuild.host.generate`; a test checks that the file is up to date. It knows no other C than host.h
has: enums, structures of numbers, pointers and arrays, one opaque structure, pointers to functions, functions.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from etbuild import RUNTIME

SOURCE = RUNTIME / "port" / "host" / "host.h"
MODULE = Path(__file__).with_name("abi.py")

_WIDTH = 120
_NUMBERS = {"int": "c_int", "size_t": "c_size_t"} | {
    f"{name}_t": f"c_{name}" for name in ("int32", "int64", "uint32", "uint64")
}
_ENUM = re.compile(r"enum \{([^}]*)\};")
_STRUCTURE = re.compile(r"typedef struct \{(?P<fields>[^}]*)\} etb_(?P<name>\w+);")
_FIELD = re.compile(r"(?P<type>[\w *]+?)(?P<name>\w+)(?:\[(?P<count>\d+)\])?;")
_CALLBACK = re.compile(r"typedef (?P<type>[\w *]+?)\(\*(?P<name>\w+)\)\((?P<parameters>[^)]*)\);")
_FUNCTION = re.compile(r"ETB_API (?P<type>[\w *]+?)(?P<name>\w+)\((?P<parameters>[^)]*)\);")
# Of a parameter, behind its type.
_NAME = string.ascii_letters + string.digits + "_"
_COMMENT = re.compile(r"/\*.*?\*/", re.S)


class Header(NamedTuple):
    """host.h. constants: number by name. structures: fields by class. callbacks: result and parameters by class.
    functions: the same by name."""

    constants: dict[str, int]
    callbacks: dict[str, tuple[str, list[str]]]
    structures: dict[str, list[tuple[str, str]]]
    functions: dict[str, tuple[str, list[str]]]


def read_header(text: str) -> Header:
    """Everything in host.h, with types as ctypes has them.

    raises: ValueError for a type that is not known.
    """
    text = " ".join(_COMMENT.sub(" ", text).split())
    constants = {
        name.strip().removeprefix("ETB_"): number
        for names in _ENUM.findall(text)
        for number, name in enumerate(names.split(","))
    }
    classes = {f"etb_{found['name']}": found["name"].capitalize() for found in _STRUCTURE.finditer(text)}
    classes |= {found["name"]: _callback(found) for found in _CALLBACK.finditer(text)}
    callbacks = {_callback(found): _signature(found, classes) for found in _CALLBACK.finditer(text)}
    structures = {
        classes[f"etb_{found['name']}"]: [_field(one, classes) for one in _FIELD.finditer(found["fields"])]
        for found in _STRUCTURE.finditer(text)
    }
    functions = {found["name"]: _signature(found, classes) for found in _FUNCTION.finditer(text)}
    return Header(constants, callbacks, structures, functions)


def _callback(found: re.Match[str]) -> str:
    return found["name"].removeprefix("etb_").capitalize()


def _signature(found: re.Match[str], classes: dict[str, str]) -> tuple[str, list[str]]:
    parameters = [_type(one.rstrip(_NAME), classes) for one in found["parameters"].split(",")]
    return _type(found["type"], classes), parameters


def _field(found: re.Match[str], classes: dict[str, str]) -> tuple[str, str]:
    count = f" * {found['count']}" if found["count"] else ""
    return found["name"], _type(found["type"], classes) + count


def _type(text: str, classes: dict[str, str]) -> str:
    """A C type in ctypes. classes: the class by the name of a structure; another structure is opaque."""
    words = text.replace("*", " * ").split()
    pointers = words.count("*")
    base = " ".join(word for word in words if word not in ("const", "*"))
    if base == "char" and pointers == 1:
        return "c_char_p"
    if base == "void" or (base.startswith("etb_") and base not in classes):
        made, pointers = ("c_void_p", pointers - 1) if pointers else ("None", 0)
    elif base in classes:
        made = classes[base]
    elif base in _NUMBERS:
        made = _NUMBERS[base]
    else:
        raise ValueError(f"{SOURCE}: got type {text.strip()!r}, wanted one that etbuild.host.generate knows")
    return "POINTER(" * pointers + made + ")" * pointers


def module(header: Header) -> str:
    """The text of etbuild/host/abi.py."""
    out = [
        '"""Generated from runtime/port/host/host.h by `python -m etbuild.host.generate`; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        *_imports(header),
        "",
        *(f"{name} = {number}" for name, number in header.constants.items()),
    ]
    for name, fields in header.structures.items():
        out += ["", "", f"class {name}(Structure):", "    _fields_ = ("]
        out += [*(f'        ("{field}", {kind}),' for field, kind in fields), "    )"]
    for name, (result, parameters) in header.callbacks.items():
        out += ["", "", f"{name} = CFUNCTYPE({', '.join([result, *parameters])})"]
    out += ["", "", "FUNCTIONS = {"] if not header.callbacks else ["", "FUNCTIONS = {"]
    for name, (result, parameters) in header.functions.items():
        out += _function(name, result, parameters)
    out += ["}", '"""Of each function: the type of its result, the types of its parameters."""', ""]
    return "\n".join(out)


def _imports(header: Header) -> Iterator[str]:
    kinds = [kind for fields in header.structures.values() for _, kind in fields]
    kinds += [kind for result, parameters in header.functions.values() for kind in (result, *parameters)]
    kinds += [kind for result, parameters in header.callbacks.values() for kind in (result, *parameters)]
    used = {"Structure"} | ({"CFUNCTYPE"} if header.callbacks else set())
    used |= {name for kind in kinds for name in re.findall(r"POINTER|c_\w+", kind)}
    # As ruff sorts them: constants, classes, the rest.
    names = sorted(used, key=lambda name: (not name.isupper(), name.islower(), name))
    line = f"from ctypes import {', '.join(names)}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield from ("from ctypes import (", *(f"    {name}," for name in names), ")")


def _function(name: str, result: str, parameters: Sequence[str]) -> list[str]:
    """One row of FUNCTIONS, formatted as ruff does."""
    types = f"[{', '.join(parameters)}]"
    row = f'    "{name}": ({result}, {types}),'
    if len(row) <= _WIDTH:
        return [row]
    return [f'    "{name}": (', f"        {result},", f"        {types},", "    ),"]


def outputs() -> dict[Path, str]:
    """Each generated file with its text."""
    return {MODULE: module(read_header(SOURCE.read_text(encoding="utf-8")))}


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
