"""The error messages of the C++ runtime, collected from its source: texts of a Status, and what kernels demand.

A firmware and the host library print them with a number behind. It compiles nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from website import ROOT

_TEXT = r'((?:"(?:[^"\\\n]|\\.)+"\s*)+)'
_STATUS = re.compile(rf"\bCode::(\w+),\s*{_TEXT}")
# The text of a demand is behind its condition, which ends with the comma before the text.
_DEMAND = re.compile(rf"\bdemand\((?:[^;\"]|\"(?=[^;]*,\s*\"))*?,\s*{_TEXT}")
_LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)+)"')


@dataclass(frozen=True)
class RuntimeMessage:
    """code: its kind, a name of etbuild.firmware.codes.Code in small letters. files: where it is, below etbuild/."""

    text: str
    code: str
    files: tuple[str, ...]


@cache
def runtime_messages(root: Path = ROOT) -> tuple[RuntimeMessage, ...]:
    """All texts, each once for its code, by text."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for path in sorted((root / "etbuild" / "runtime").rglob("*")):
        if path.suffix in (".cc", ".h"):
            file = str(path.relative_to(root / "etbuild"))
            for code, text in _texts(path.read_text(encoding="utf-8")):
                found.setdefault((text, code), {})[file] = None
    return tuple(RuntimeMessage(text, code, tuple(files)) for (text, code), files in sorted(found.items()))


def _texts(source: str) -> Iterator[tuple[str, str]]:
    for code, literals in _STATUS.findall(source):
        yield code, _joined(literals)
    for literals in _DEMAND.findall(source):
        yield "mismatch", _joined(literals)


def _joined(literals: str) -> str:
    return "".join(_LITERAL.findall(literals)).replace('\\"', '"')
