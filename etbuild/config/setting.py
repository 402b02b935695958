"""A setting of a YAML file, declared once: a dataclass field with type, default, description and limits.

`setting` declares a field and `section` describes the class that holds it. `read` reads a section of a validated file
into its class. From the same fields, etbuild.config.setting_schema makes the JSON Schema and etbuild.steps.options the
command lines of the steps.

Types of a field, and what the YAML file holds:

    bool, int, float, str, Path    true or false, an integer, a number, text, the path of a file or folder
    Bytes                          an integer, or text such as 512 KiB, 2 MiB or 4 GiB
    tuple[X, ...]                  a list of X; by_name: a mapping of X, whose field `name` is the key
    Mapping[str, X]                a mapping of X, by name
    a dataclass                    a mapping with its settings
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, TypeVar

if TYPE_CHECKING:
    from etbuild.config.section import Section

T = TypeVar("T")
Field = dataclasses.Field[Any]
# A size; see the table above.
Bytes = NewType("Bytes", int)

# A pattern for text of one line that is not empty.
TEXT = r"^[^\x00-\x1f\x7f]+$"


@dataclass(frozen=True)
class Setting:
    """What a field declares next to its name, type and default.

    examples: valid values.
    limits:   keywords of JSON Schema: minimum, pattern, enum...
    unit:     of a number.
    wanted:   what an error message asks for.
    ref:      a shared definition of the schema, in place of the type.
    choices:  the values of that definition.
    matrix:   "" or, where a list of alternatives is allowed, what a message calls such a list.
    items:    keywords of JSON Schema for each item of a list or mapping.
    by_name:  the tuple is a mapping in the file.
    required: a file must have the key although the class has a default.
    computed: the default depends on other settings, so the schema shows none.
    suffixes: of a file that must exist; () for a path that need not exist.
    folder:   the path may be a folder too.
    option:   of a step's command line, where it differs from the name.
    off:      the option that switches a flag off.
    always:   the option is written even for the default value.
    """

    description: str
    examples: tuple[object, ...] = ()
    limits: Mapping[str, object] = dataclasses.field(default_factory=dict)
    unit: str = ""
    wanted: str = ""
    ref: str = ""
    choices: tuple[object, ...] = ()
    matrix: str = ""
    items: Mapping[str, object] = dataclasses.field(default_factory=dict)
    by_name: bool = False
    required: bool = False
    computed: bool = False
    suffixes: tuple[str, ...] = ()
    folder: bool = False
    option: str | None = None
    off: str = ""
    always: bool = False


@dataclass(frozen=True)
class SectionInfo:
    """The description of a section. keywords: further ones of JSON Schema."""

    name: str
    description: str
    examples: tuple[object, ...]
    keywords: Mapping[str, object]


def setting(description: str, default: Any = MISSING, *, examples: Iterable[object] = (), **facts: Any) -> Any:
    """A dataclass field that is a setting.

    description: "" for a section: its class has one.
    default:     a class is called for each instance; without a default, a file must have the key.
    facts:       fields of Setting; anything else is a keyword of JSON Schema.
    """
    known = {field.name for field in fields(Setting)}
    limits = {name: facts.pop(name) for name in [name for name in facts if name not in known]}
    metadata = {"setting": Setting(description, tuple(examples), limits, **facts)}
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(
    name: str, description: str, *, examples: Iterable[object] = (), **keywords: object
) -> Callable[[type[T]], type[T]]:
    """Describe a dataclass as a section of a file.

    name:     of its definition in the schema's $defs; "" for a section that is written out where it is used.
    keywords: further ones of JSON Schema; they win over generated ones.
    """

    def decorate(cls: type[T]) -> type[T]:
        cls.__section__ = SectionInfo(name, description, tuple(examples), keywords)  # type: ignore[attr-defined]
        return cls

    return decorate


def section_info(cls: type) -> SectionInfo:
    """The description of a class that has the decorator `section`."""
    return cls.__section__  # type: ignore[attr-defined,no-any-return]


def settings_of(cls: type) -> tuple[tuple[Field, Setting], ...]:
    """The settings of a section, in order; other fields are left out."""
    return tuple((field, field.metadata["setting"]) for field in fields(cls) if "setting" in field.metadata)


@functools.cache
def types_of(cls: Any) -> dict[str, Any]:
    """The type of each field; None is left out of a union."""
    return {name: _without_none(hint) for name, hint in typing.get_type_hints(cls).items()}


def item_type(hint: Any) -> Any:
    """X of tuple[X, ...] and of Mapping[str, X]."""
    return [part for part in typing.get_args(hint) if part is not Ellipsis][-1]


def has_default(field: Field) -> bool:
    """Whether the class has a default for the field."""
    return field.default is not MISSING or field.default_factory is not MISSING


def default_of(field: Field) -> Any:
    """The default of a field; None when it has none."""
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def read(section: Section, cls: type[T], **given: object) -> T:
    """A section of a validated file as its class.

    given: values of fields that are read otherwise, and of fields without a default that are no settings.
    """
    values: dict[str, Any] = dict(given)
    for field, declared in settings_of(cls):
        if field.name not in values:
            values[field.name] = _value(section, field, declared, types_of(cls)[field.name])  # type: ignore[arg-type]  # a class is hashable
    return cls(**values)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def _value(section: Section, field: Field, declared: Setting, hint: Any) -> Any:
    key, default = field.name, default_of(field)
    if declared.matrix:
        return section.alternatives(key)
    if field.default is None and not section.has(key):
        return None
    if is_dataclass(hint):
        return read(section.section(key), hint)  # type: ignore[arg-type]
    if typing.get_args(hint):
        return _values(section, key, declared, hint)
    if hint is Path and declared.suffixes:
        return section.file(key, *declared.suffixes, folder=declared.folder)
    if hint is Path:
        return section.named_path(key)
    readers: dict[Any, Callable[[str, Any], object]] = {
        bool: section.flag,
        int: section.integer,
        float: section.number,
        Bytes: section.size,
        str: section.text,
    }
    empty = 0 if hint is Bytes else hint()
    return readers[hint](key, empty if default is None else default)


def _values(section: Section, key: str, declared: Setting, hint: Any) -> Any:
    """A tuple or Mapping."""
    item = item_type(hint)
    holds_sections: bool = is_dataclass(item)
    if declared.by_name:
        return tuple(read(inner, item, name=name) for name, inner in section.mappings(key))
    if typing.get_origin(hint) is tuple and holds_sections:
        return tuple(read(inner, item) for inner in section.each(key))
    if typing.get_origin(hint) is tuple:
        return section.numbers(key) if item in (int, float) else section.alternatives(key)
    if holds_sections:
        return {name: read(inner, item) for name, inner in section.mappings(key)}
    return section.mapping(key)
