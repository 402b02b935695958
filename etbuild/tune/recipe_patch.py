"""Changes keys in the text of a recipe, and shows them as a unified diff. It writes no file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

import yaml


def with_keys(text: str, keys: Mapping[tuple[str, str], Any]) -> str | None:
    """The recipe's text with these keys, by section and key; all else is as it was, comments too.

    return: None where the file is not plain enough to say where a key goes.
    """
    wanted = _mapping(text)
    if wanted is None:
        return None
    for (section, key), value in keys.items():
        if not isinstance(wanted.get(section) or {}, dict):
            return None
        wanted[section] = {**(wanted.get(section) or {}), key: value}
        text = _with_key(text, section, key, value)
    return text if _mapping(text) == wanted else None


def unified_diff(file: str, before: str, after: str) -> str:
    """As `git apply` and `patch -p1` take it."""
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    parts = difflib.unified_diff(*lines, f"a/{file}", f"b/{file}")
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def _with_key(text: str, section: str, key: str, value: Any) -> str:
    entry = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
    found = _node(text, section)
    if found is None or not isinstance(found, yaml.MappingNode):
        rest = text if text.endswith("\n") or not text else f"{text}\n"
        return f"{rest}{section}: {{{key}: {entry}}}\n"
    old = next((value for name, value in found.value if name.value == key), None)
    if old is not None:
        end = old.end_mark.index
        end = old.start_mark.index + len(text[old.start_mark.index : end].rstrip())
        return f"{text[: old.start_mark.index]}{entry}{text[end:]}"
    start = found.start_mark.index
    if found.flow_style:
        return f"{text[: start + 1]}{key}: {entry}{', ' if found.value else ''}{text[start + 1 :]}"
    indent = re.search(r"[^\n]*$", text[:start])
    return f"{text[:start]}{key}: {entry}\n{indent[0] if indent else ''}{text[start:]}"


def _node(text: str, section: str) -> Any:
    root = yaml.compose(text, yaml.SafeLoader)
    return next((value for name, value in root.value if name.value == section), None) if root else None


def _mapping(text: str) -> dict[str, Any] | None:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None
