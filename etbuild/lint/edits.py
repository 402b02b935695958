"""Edits applied to the text of files, and shown as a unified diff. It writes no file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from etbuild.lint.finding import Edit


def applied(root: Path, edits: Iterable[Edit]) -> dict[str, str]:
    """The new text of each file that the edits change, by its path below root. They do not overlap."""
    by_file: dict[str, list[Edit]] = {}
    for one in edits:
        by_file.setdefault(one.file, []).append(one)
    return {file: edited((root / file).read_text(encoding="utf-8"), own) for file, own in by_file.items()}


def unified_diff(root: Path, edits: Iterable[Edit]) -> str:
    """The edits as `git apply` and `patch -p1` take them."""
    parts: list[str] = []
    for file, text in applied(root, edits).items():
        before = (root / file).read_text(encoding="utf-8").splitlines(keepends=True)
        parts += difflib.unified_diff(before, text.splitlines(keepends=True), f"a/{file}", f"b/{file}")
    return "".join(part if part.endswith("\n") else f"{part}\n\\ No newline at end of file\n" for part in parts)


def at_end(file: str, text: str, addition: str) -> Edit:
    """An edit that appends lines. text: of the file."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[-1].endswith("\n"):
        return Edit(file, len(lines) + 1, 1, len(lines) + 1, 1, addition)
    end = len(lines[-1]) + 1
    return Edit(file, len(lines), end, len(lines), end, f"\n{addition}")


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text of one file with its edits, which do not overlap."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for one in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        begin = starts[one.line - 1] + one.column - 1
        end = starts[one.end_line - 1] + one.end_column - 1
        text = text[:begin] + one.text + text[end:]
    return text
