"""Findings as SARIF 2.1.0, with a fix for each patch. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from etbuild.lint.finding import RULES, Edit, Finding, Json
from etbuild.report.lint_text import effect_text

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def log(found: Sequence[Finding], version: str, recipe_file: str) -> Json:
    """The log with one run. recipe_file: the place of findings that have no line of the model."""
    order = list(RULES)
    rules = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.text},
            "defaultConfiguration": {"level": LEVELS[rule.level]},
        }
        for rule in RULES.values()
    ]
    driver = {"name": "etbuild", "semanticVersion": version, "rules": rules}
    results = [_result(one, order.index(one.rule), recipe_file) for one in found]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(one: Finding, index: int, recipe_file: str) -> Json:
    file, line = (one.line or f"{recipe_file}:1").rsplit(":", 1)
    location: Json = {
        "physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": int(line)}},
    }
    if one.module:
        location["logicalLocations"] = [{"fullyQualifiedName": one.module, "kind": "module"}]
    message = f"{one.what}: {one.why}. Instead: {one.remedy}"
    result: Json = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": LEVELS[one.level],
        "message": {"text": message},
        "locations": [location],
        "properties": {"profile": one.profile, "count": one.count},
    }
    if one.patch:
        about = one.patch.title + (f"; {effect_text(asdict(one.effect))}" if one.effect else "")
        result["fixes"] = [{"description": {"text": about}, "artifactChanges": list(_changes(one.patch.edits))}]
    return result


def _changes(edits: Iterable[Edit]) -> Iterable[Any]:
    by_file: dict[str, list[Edit]] = {}
    for edit in edits:
        by_file.setdefault(edit.file, []).append(edit)
    for file, own in by_file.items():
        yield {"artifactLocation": {"uri": file}, "replacements": [_replacement(one) for one in own]}


def _replacement(edit: Edit) -> Json:
    region = {
        "startLine": edit.line,
        "startColumn": edit.column,
        "endLine": edit.end_line,
        "endColumn": edit.end_column,
    }
    return {"deletedRegion": region, "insertedContent": {"text": edit.text}}
