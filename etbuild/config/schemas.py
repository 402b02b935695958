"""Where the JSON Schemas are, and how their text is formatted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from etbuild import PACKAGE


def schema_file(name: str) -> Path:
    """The file of a schema ("recipe"): inside the package when installed, next to it in a checkout."""
    inside = PACKAGE / "schemas" / f"{name}.schema.json"
    return inside if inside.exists() else PACKAGE.parent / "schemas" / inside.name


def schema_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
