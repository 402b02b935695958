"""Findings as lint.json, which schemas/lint.schema.json describes, and as patch files. It computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from etbuild.lint.edits import unified_diff
from etbuild.lint.finding import RULES, Finding, Json

FORMAT = 1
LEVELS = ("error", "warning", "note")


def document(recipe: str, found: Sequence[Finding], operators: Mapping[str, Sequence[Json]]) -> Json:
    """lint.json. operators: of each profile, as partition.json has them."""
    keys = ("operator", "class", "place", "reason", "line", "module", "advice")
    return {
        "format": FORMAT,
        "recipe": recipe,
        "counts": {level: sum(one.level == level for one in found) for level in LEVELS},
        "rules": {rule.id: {"level": rule.level, "text": rule.text} for rule in RULES.values()},
        "findings": [one.to_json() for one in found],
        "operators": {
            profile: [{key: one[key] for key in keys} for one in rows] for profile, rows in operators.items()
        },
    }


def write_patches(found: Sequence[Finding], folder: Path) -> None:
    """<n>.patch for each finding with a patch, n being its number from 1. The current folder is the project."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(found, 1):
        if one.patch:
            (folder / f"{number}.patch").write_text(unified_diff(Path(), one.patch.edits), encoding="utf-8")
