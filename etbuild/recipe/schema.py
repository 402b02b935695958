"""Where the schemas are, and the part of the recipe's schema that comes from the table of NPUs.

`python -m etbuild.recipe.schema` writes that part into schemas/recipe.schema.json; all else there is written by hand.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.errors import exit_code_of
from etbuild.hardware.npus import table


def schema_file(name: str) -> Path:
    """The file of a schema ("recipe"): inside the package when installed, beside it in a checkout."""
    inside = PACKAGE / "schemas" / f"{name}.schema.json"
    return inside if inside.exists() else PACKAGE.parent / "schemas" / inside.name


def with_table(schema: dict[str, Any]) -> dict[str, Any]:
    """The recipe's schema with the enums that the table gives."""
    enums = {
        "npu": [*table().npus, "none"],
        "system_config": list(table().feeds.system_configs),
        "memory_mode": list(table().feeds.memory_modes),
    }
    return {**schema, "$defs": {**schema["$defs"], **{name: {"enum": values} for name, values in enums.items()}}}


def main(argv: Sequence[str]) -> int:
    file = schema_file("recipe")
    file.write_text(text_of(with_table(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")
    print(file)
    return 0


def text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
