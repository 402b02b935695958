"""The JSON Schema of boards, made from the settings of the board's classes and from the NPU catalog.

`python -m etbuild.hardware.schema` writes it to schemas/board.schema.json, and that of files that extend a board to
schemas/board_changes.schema.json.
"""

from __future__ import annotations

import sys
from typing import Any

from etbuild.config.schemas import write_schema
from etbuild.config.setting_schema import Json, section_schema
from etbuild.errors import exit_code_of
from etbuild.hardware.board import Board
from etbuild.hardware.npus import catalog


def board_schema() -> Json:
    """The whole schema. It has no $defs: everything is written out where it is used."""
    npus = catalog().npus.values()
    shared = {
        "family": {"enum": list(catalog().families)},
        "macs": {"enum": sorted({npu.macs * npu.cores for npu in npus})},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "board.schema.json",
        **_inlined(section_schema(Board), shared),
    }


def changes_schema() -> Json:
    """The schema of a file that extends a board, for editors: no other key is required, and null deletes any."""
    return {**_partial(board_schema()), "$id": "board_changes.schema.json", "required": ["extends"]}


def _partial(part: Json) -> Json:
    """The schema of a mapping without its required keys, in which every value may be null."""
    made = {key: value for key, value in part.items() if key != "required"}
    for key in ("properties", "additionalProperties"):
        below = made.get(key)
        if key == "properties" and below:
            made[key] = {name: {"anyOf": [_partial(one), {"type": "null"}]} for name, one in below.items()}
        elif isinstance(below, dict):
            made[key] = {"anyOf": [_partial(below), {"type": "null"}]}
    return made


def _inlined(part: Any, shared: Json) -> Any:
    """The schema with each reference replaced by its definition in `shared`."""
    if isinstance(part, list):
        return [_inlined(item, shared) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return shared[part["$ref"].rpartition("/")[2]]
    return {key: _inlined(value, shared) for key, value in part.items()}


def write_schemas() -> int:
    """Write both files; the exit code of the program that does it."""
    made = {"board": board_schema(), "board_changes": changes_schema()}
    return max(write_schema(name, schema) for name, schema in made.items())


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda _: write_schemas(), sys.argv[1:]))
