"""The files of the JSON Schemas, and the format of their text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etbuild import PACKAGE


def schema_file(name: str) -> Path:
    """The file of a schema, e.g. "recipe": in the package when installed, next to the package in a checkout."""
    inside = PACKAGE / "schemas" / f"{name}.schema.json"
    return inside if inside.exists() else PACKAGE.parent / "schemas" / inside.name


def schema_text(schema: dict[str, Any]) -> str:
    """The text of a schema's file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schema(name: str, schema: dict[str, Any]) -> int:
    """Write a schema's file and print its path; the exit code of the program that does it."""
    file = schema_file(name)
    file.write_text(schema_text(schema), encoding="utf-8")
    print(file)
    return 0
