"""A setting of a YAML file, defined once: a dataclass field with type, default, description and limits.

`setting` declares it and `section` names the class that holds it; `definitions` makes the JSON Schema of classes and
`read` reads a section of a checked file into its class. Command lines and parsers of steps come from the same fields.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from etbuild.config.section import Section

T = TypeVar("T")
Json = dict[str, Any]

TEXT = r"^[^\x00-\x1f\x7f]+$"
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}


@dataclass(frozen=True)
class Setting:
    """What is known of one setting beside its name, type and default.

    examples: valid values.                       limits:   keywords of JSON Schema: minimum, pattern, enum...
    unit:     of a number.                        wanted:   what an error message asks for.
    ref:      a shared definition of the schema, in place of the type.    choices: the values of that definition.
    matrix:   "" or, where a list of alternatives may stand, what such a list is called.
    computed: the default depends on other settings, so the schema shows none.
    suffixes: of a file that must exist; () for a path that need not.        folder: a folder will do too.
    option:   of a step's command line, where it is not the name.            off:    the option that switches it off.
    always:   the option is written even for the default value.
    """

    description: str
    examples: tuple[object, ...] = ()
    limits: Mapping[str, object] = field(default_factory=dict)
    unit: str = ""
    wanted: str = ""
    ref: str = ""
    choices: tuple[object, ...] = ()
    matrix: str = ""
    items: Mapping[str, object] = field(default_factory=dict)
    required: bool = False
    computed: bool = False
    suffixes: tuple[str, ...] = ()
    folder: bool = False
    option: str | None = None
    off: str = ""
    always: bool = False


def setting(description: str, default: Any = MISSING, *, examples: Iterable[object] = (), **facts: Any) -> Any:
    """A dataclass field. facts: fields of Setting; anything else is a keyword of JSON Schema."""
    known = {one.name for one in fields(Setting)}
    limits = {name: facts.pop(name) for name in [name for name in facts if name not in known]}
    made = Setting(description, tuple(examples), limits, **facts)
    if isinstance(default, type):
        return field(default_factory=default, metadata={"setting": made})
    return field(default=default, metadata={"setting": made})


def section(
    name: str, description: str, *, examples: Iterable[object] = (), **keywords: object
) -> Callable[[type[T]], type[T]]:
    """Name a dataclass as a section: its place in the schema's $defs. keywords: further ones of JSON Schema."""

    def mark(cls: type[T]) -> type[T]:
        cls.__section__ = (name, description, tuple(examples), keywords)  # type: ignore[attr-defined]
        return cls

    return mark


def settings_of(cls: type) -> tuple[tuple[dataclasses.Field[Any], Setting], ...]:
    """The settings of a section, in order; fields that are none are left out."""
    return tuple((one, one.metadata["setting"]) for one in fields(cls) if "setting" in one.metadata)


@functools.cache
def types_of(cls: Any) -> dict[str, Any]:
    """The type of each field; None is left out of a union."""
    return {name: _without_none(hint) for name, hint in typing.get_type_hints(cls).items()}


def definitions(*classes: type) -> Json:
    """The JSON Schema of sections, by name, with the definitions that they share."""
    found: Json = {}
    for cls in classes:
        found |= {made.ref: {"enum": list(made.choices)} for _, made in settings_of(cls) if made.choices}
        name, description, examples, keywords = cls.__section__  # type: ignore[attr-defined]
        required = [one.name for one, made in settings_of(cls) if made.required]
        found[name] = {
            "description": description,
            "type": "object",
            "additionalProperties": False,
            **({"required": required} if required else {}),
            "properties": {one.name: _property(cls, one, made) for one, made in settings_of(cls)},
            **({"examples": list(examples)} if examples else {}),
            **keywords,
        }
    return found


def read(section: Section, cls: type[T], **given: object) -> T:
    """The section as its class. given: values that are read otherwise; fields that are no settings must be among them
    or have a default."""
    values: dict[str, Any] = dict(given)
    for one, made in settings_of(cls):
        if one.name not in values:
            values[one.name] = _value(section, one, made, types_of(cls)[one.name])  # type: ignore[arg-type]  # a class is hashable
    return cls(**values)


def default_of(one: dataclasses.Field[Any]) -> Any:
    """The default of a field; None when it has none."""
    if one.default_factory is not MISSING:
        return one.default_factory()
    return None if one.default is MISSING else one.default


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _property(cls: type, one: dataclasses.Field[Any], made: Setting) -> Json:
    hint = types_of(cls)[one.name]
    if is_dataclass(hint) and not made.description:
        return {"$ref": f"#/$defs/{_section_name(one, hint)}"}
    default = default_of(one)
    shown = default is not None and default != () and not made.computed and not made.required
    return {
        "description": made.description,
        **_type_schema(hint, made),
        **({"default": default} if shown else {}),
        **({"x-unit": made.unit} if made.unit else {}),
        **({"x-wanted": made.wanted} if made.wanted else {}),
        **({"examples": list(made.examples)} if made.examples else {}),
    }


def _section_name(one: dataclasses.Field[Any], hint: Any) -> str:
    """The default's class may say more than the field's type."""
    cls = one.default_factory if isinstance(one.default_factory, type) else hint
    return str(cls.__section__[0])


def _type_schema(hint: Any, made: Setting) -> Json:
    if made.matrix:
        one = {"$ref": f"#/$defs/{made.ref}"}
        many = {"type": "array", "minItems": 1, "uniqueItems": True, "items": one, "x-wanted": made.matrix}
        return {"anyOf": [one, many]}
    if made.ref:
        return {"$ref": f"#/$defs/{made.ref}"}
    if "enum" in made.limits or "type" in made.limits:
        return dict(made.limits)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        items = {"$ref": f"#/$defs/{item.__section__[0]}"} if is_dataclass(item) else {"type": _TYPES[item]}  # type: ignore[union-attr]
        return {"type": "array", **made.limits, "items": {**items, **made.items}}
    path = {"pattern": TEXT} if hint is Path and made.suffixes else {}
    return {"type": _TYPES[hint], **path, **made.limits}


def _value(section: Section, one: dataclasses.Field[Any], made: Setting, hint: Any) -> Any:
    key, default = one.name, default_of(one)
    if is_dataclass(hint):
        return read(section.section(key), hint)  # type: ignore[arg-type]
    if made.matrix:
        return section.alternatives(key)
    if typing.get_origin(hint) is tuple:
        item = typing.get_args(hint)[0]
        if is_dataclass(item):
            return tuple(read(inner, item) for inner in section.each(key))  # type: ignore[arg-type]
        return section.numbers(key) if item in (int, float) else section.alternatives(key)
    if hint is Path:
        return section.file(key, *made.suffixes, folder=made.folder) if made.suffixes else section.named_path(key)
    if hint is bool:
        return section.flag(key, bool(default))
    if not section.has(key):
        return default if default is not None or not made.required else hint()
    number = section.integer if hint is int else section.number
    return (
        (section.text(key, default or "") or default)
        if hint is str
        else number(key, default if default is not None else 0)
    )
