"""Command lines of steps from their option classes, and back: what `arguments` writes, `parse` reads.

`etbuild.steps.options` declares the fields; this module interprets them.
"""

from __future__ import annotations

import argparse
import typing
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from etbuild.config.setting import Setting, default_of, types_of

T = TypeVar("T")


@dataclass(frozen=True)
class _Option:
    """One option. name: "--memory-mode", "" with a trailing "=" for one that takes its value after "="."""

    name: str
    setting: Setting
    hint: Any
    default: Any
    use: str
    has_default: bool


def arguments(options: Any) -> tuple[str, ...]:
    """The command line of these options; what has its default value is left out."""
    return tuple(word for one, value in _values(options) for word in _words(one, value))


def files(options: Any, use: str) -> tuple[str, ...]:
    """The paths of the options that are read ("reads") or written ("writes"), each once; those of sections last."""
    cls: Any = type(options)
    own: list[Any] = []
    of_sections: list[str] = []
    for one in fields(cls):
        value = getattr(options, one.name)
        if is_dataclass(value):
            of_sections += files(value, use) if one.metadata.get("reads", True) else ()
        elif "setting" in one.metadata and _option(one, types_of(cls)[one.name], "").use == use:
            own += value if isinstance(value, tuple) else [value]
    return tuple(dict.fromkeys(str(path) for path in (*own, *of_sections) if path))


def parse(cls: type[T], argv: Sequence[str], module: str, description: str | None) -> T:
    """The options on a command line; wrong ones end the program with argparse's message and exit code 2."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description, allow_abbrev=False)
    for one in _options(cls, ""):
        _add(parser, one)
    return _made(cls, "", vars(parser.parse_args(argv)))  # type: ignore[no-any-return]


def _options(cls: Any, prefix: str) -> Iterator[_Option]:
    """The options of a class, those of its sections in their place."""
    for one in fields(cls):
        hint = types_of(cls)[one.name]
        if is_dataclass(hint):
            yield from _options(hint, _prefix(one, prefix))
        elif "setting" in one.metadata:
            yield _option(one, hint, prefix)


def _prefix(one: Field[Any], prefix: str) -> str:
    """Of a section within a section: these have their name, as in --calibration-samples; vela's settings have none."""
    if "prefix" in one.metadata:
        return str(one.metadata["prefix"])
    return f"--{one.name}" if one.name in ("calibration", "qat") else prefix


def _option(one: Field[Any], hint: Any, prefix: str) -> _Option:
    made: Setting = one.metadata["setting"]
    own = f"--{one.name.replace('_', '-')}" if made.option is None else made.option
    name = (prefix + own[1:] if own else prefix) if prefix else own
    is_file = hint is Path and bool(made.suffixes)
    use = one.metadata.get("use", "reads" if is_file else "value")
    has_default = one.default is not MISSING or one.default_factory is not MISSING
    return _Option(name, made, hint, default_of(one), use, has_default)


def _values(options: Any, prefix: str = "") -> Iterator[tuple[_Option, Any]]:
    cls: Any = type(options)
    for one in fields(cls):
        value = getattr(options, one.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _values(value, _prefix(one, prefix))
        elif "setting" in one.metadata:
            yield _option(one, types_of(cls)[one.name], prefix), value


def _words(one: _Option, value: Any) -> list[str]:
    if value is None or value == () or (one.has_default and value == one.default and not one.setting.always):
        return []
    if isinstance(value, bool):
        return [one.setting.off if not value else one.name]
    values = value if isinstance(value, tuple) else (value,)
    return [word for item in values for word in _word(one, _text(item))]


def _word(one: _Option, text: str) -> tuple[str, ...]:
    """One value with its option; a text that begins like an option needs "="."""
    if one.name.endswith("=") or (text.startswith("-") and one.hint not in (int, float)):
        return (f"{one.name.removesuffix('=')}={text}",)
    return one.name, text


def _text(value: Any) -> str:
    if hasattr(value, "to_argument"):
        return str(value.to_argument())
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _add(parser: argparse.ArgumentParser, one: _Option) -> None:
    flags = one.setting.off if one.hint is bool and one.default else one.name.removesuffix("=")
    given: dict[str, Any] = {"dest": one.name, "help": one.setting.description.replace("%", "%%")}
    if one.hint is bool:
        parser.add_argument(flags, action="store_false" if one.default else "store_true", **given)
        return
    hint = one.hint
    if typing.get_origin(hint) is tuple:
        hint = typing.get_args(hint)[0]
        given |= {"action": "append", "default": []}
    else:
        given |= {"default": one.default, "required": not one.has_default}
    given["type"] = getattr(hint, "parse", hint)
    # The steps check an enumeration of numbers themselves, with their own message.
    choices: Any = one.setting.choices or (one.setting.limits.get("enum") if hint is str else None)
    parser.add_argument(flags, choices=choices, **given)


def _made(cls: Any, prefix: str, found: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for one in fields(cls):
        hint = types_of(cls)[one.name]
        if is_dataclass(hint):
            values[one.name] = _made(hint, _prefix(one, prefix), found)
        elif "setting" in one.metadata:
            value = found[_option(one, hint, prefix).name]
            values[one.name] = tuple(value) if isinstance(value, list) else value
        elif one.default is MISSING and one.default_factory is MISSING:
            values[one.name] = ""
    return cls(**values)
