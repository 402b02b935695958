"""Changes keys in the text of a recipe, and shows them as a unified diff. It writes no file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import yaml

from etbuild.tune.candidate import SIZE, SIZE_KEY


def with_keys(text: str, keys: Mapping[tuple[str, str], Any]) -> str | None:
    """The recipe's text with these keys, by section and key; all else is as it was, comments too.

    A section that is a list gets the key in each item.

    return: None where the file is not plain enough to say where a key goes.
    """
    wanted = _mapping(text)
    if wanted is None:
        return None
    for (section, key), value in keys.items():
        old = wanted.get(section) or {}
        if isinstance(old, list) and all(isinstance(one, dict) for one in old):
            wanted[section] = [{**one, key: value} for one in old]
        elif isinstance(old, dict):
            wanted[section] = {**old, key: value}
        else:
            return None
        text = _with_key(text, section, key, value)
    return text if _mapping(text) == wanted else None


def leaves_size_open(text: str) -> bool:
    """Whether a recipe's file names its targets itself, and not what Vela optimises for: then a patch can."""
    targets = (_mapping(text) or {}).get(SIZE_KEY[0]) or []
    named = targets if isinstance(targets, list) else [targets]
    return (
        bool(named) and not any(SIZE_KEY[1] in one for one in named) and with_keys(text, {SIZE_KEY: SIZE}) is not None
    )


def patch_of(file: str, before: str, keys: Mapping[tuple[str, str], Any]) -> str:
    """The change of a recipe's file to one with these keys; "" where `with_keys` has none."""
    after = with_keys(before, keys)
    return "" if after is None else unified_diff(file, before, after)


def unified_diff(file: str, before: str, after: str) -> str:
    """As `git apply` and `patch -p1` take it."""
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    parts = difflib.unified_diff(*lines, f"a/{file}", f"b/{file}")
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def _with_key(text: str, section: str, key: str, value: Any) -> str:
    entry = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
    found = _node(text, section)
    if isinstance(found, yaml.SequenceNode):
        for item in reversed(found.value):  # From the end: what is before keeps its place.
            text = _in_mapping(text, item, key, entry)
        return text
    if found is None or not isinstance(found, yaml.MappingNode):
        rest = text if text.endswith("\n") or not text else f"{text}\n"
        return f"{rest}{section}: {{{key}: {entry}}}\n"
    return _in_mapping(text, found, key, entry)


def _in_mapping(text: str, found: yaml.MappingNode, key: str, entry: str) -> str:
    old = next((value for name, value in found.value if name.value == key), None)
    if old is not None:
        end = old.end_mark.index
        end = old.start_mark.index + len(text[old.start_mark.index : end].rstrip())
        return f"{text[: old.start_mark.index]}{entry}{text[end:]}"
    start = found.start_mark.index
    if found.flow_style:
        return f"{text[: start + 1]}{key}: {entry}{', ' if found.value else ''}{text[start + 1 :]}"
    before = re.search(r"[^\n]*$", text[:start])
    indent = " " * len(before[0]) if before else ""  # Behind the dash of an item, too.
    return f"{text[:start]}{key}: {entry}\n{indent}{text[start:]}"


def _node(text: str, section: str) -> Any:
    root = yaml.compose(text, yaml.SafeLoader)
    return next((value for name, value in root.value if name.value == section), None) if root else None


def _mapping(text: str) -> dict[str, Any] | None:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None
