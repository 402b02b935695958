"""The JSON Schema of sections, made from the settings that their classes declare; see etbuild.config.setting."""

from __future__ import annotations

import types
import typing
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from etbuild.config.setting import (
    TEXT,
    Bytes,
    Field,
    Setting,
    default_of,
    has_default,
    item_type,
    section_info,
    settings_of,
    types_of,
)

Json = dict[str, Any]

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
_SIZE_TEXT = {
    "type": "string",
    "pattern": "^[1-9][0-9]* (KiB|MiB|GiB)$",
    "maxLength": 12,
    "x-wanted": "text such as 512 KiB, 2 MiB or 4 GiB",
}
_SIZE = {"anyOf": [{"type": "integer", "minimum": 1}, _SIZE_TEXT]}


def definitions(*classes: type) -> Json:
    """The schemas of sections by their names, and the definitions that their settings share."""
    found: Json = {}
    for cls in classes:
        found |= {
            declared.ref: {"enum": list(declared.choices)} for _, declared in settings_of(cls) if declared.choices
        }
        found[section_info(cls).name] = section_schema(cls)
    return found


def section_schema(cls: type) -> Json:
    """The schema of one section; sections without a name are written out in it."""
    info = section_info(cls)
    required = [field.name for field, declared in settings_of(cls) if declared.required or not has_default(field)]
    return {
        "description": info.description,
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {field.name: _property(cls, field, declared) for field, declared in settings_of(cls)},
        **({"examples": list(info.examples)} if info.examples else {}),
        **info.keywords,
    }


def _property(cls: type, field: Field, declared: Setting) -> Json:
    hint = types_of(cls)[field.name]
    if is_dataclass(hint) and not declared.description:
        # The default's class may be more specific than the field's type.
        return _section(field.default_factory if isinstance(field.default_factory, type) else hint)
    default = default_of(field)
    shown = not declared.computed and not declared.required and default not in (None, "", (), {})
    return {
        "description": declared.description,
        **_type_schema(hint, declared),
        **({"default": default} if shown else {}),
        **({"x-unit": declared.unit} if declared.unit else {}),
        **({"x-wanted": declared.wanted} if declared.wanted else {}),
        **({"examples": list(declared.examples)} if declared.examples else {}),
    }


def _section(cls: Any) -> Json:
    """A section inside another: by reference, or written out when it has no name."""
    name = section_info(cls).name
    return {"$ref": f"#/$defs/{name}"} if name else section_schema(cls)


def _type_schema(hint: Any, declared: Setting) -> Json:
    if declared.matrix:
        one = {"$ref": f"#/$defs/{declared.ref}"}
        many = {"type": "array", "minItems": 1, "uniqueItems": True, "items": one, "x-wanted": declared.matrix}
        return {"anyOf": [one, many]}
    if declared.ref:
        return {"$ref": f"#/$defs/{declared.ref}"}
    if not typing.get_args(hint):
        path = {"pattern": TEXT} if hint is Path and declared.suffixes else {}
        return _scalar_schema(hint, {**path, **declared.limits})
    item = item_type(hint)
    own = dict(declared.items)
    items = {**_section(item), **own} if is_dataclass(item) else _scalar_schema(item, own)
    if typing.get_origin(hint) is tuple and not declared.by_name:
        return {"type": "array", **declared.limits, "items": items}
    return {"type": "object", **declared.limits, "additionalProperties": items}


def _scalar_schema(hint: Any, limits: Json) -> Json:
    """A single value. An enum in the limits replaces the type."""
    if limits.keys() & {"enum", "type", "$ref"}:
        return limits
    if hint is Bytes:
        return _SIZE | limits
    kinds = [_TYPES[kind] for kind in typing.get_args(hint)] if isinstance(hint, types.UnionType) else _TYPES[hint]
    return {"type": kinds, **limits}
