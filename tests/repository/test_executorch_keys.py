"""The table of ExecuTorch's entry points in docs/from-executorch.md: its keys, its pages, and what proves each row."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/from-executorch.md"
SCHEMA = json.loads((ROOT / "schemas/recipe.schema.json").read_text())
TABLE = PAGE.read_text().partition("## Entry points of ExecuTorch and their keys")[2].partition("\n## ")[0]
LINES = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in cells] for cells in LINES]
PROOFS = tomllib.loads((Path(__file__).parent / "executorch_keys.toml").read_text())


def keys(row: list[str]) -> list[str]:
    """Of a row; for one without a key its page."""
    link = re.search(r"\]\(([^)]+)\)", row[2])
    return re.findall(r"`([^`]+)`", row[1]) or [link[1] if link else ""]


def accepts(node: Any, path: list[str]) -> bool:
    """Whether a value that the schema's node describes may have the key, a list's items included."""
    if "$ref" in node:
        return accepts(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], path)
    inner = [*node.get("anyOf", []), *node.get("oneOf", []), *([node["items"]] if "items" in node else [])]
    if not path or any(accepts(one, path) for one in inner):
        return True
    return path[0] in node.get("properties", {}) and accepts(node["properties"][path[0]], path[1:])


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def exists(proof: str) -> bool:
    """A test that is named by file and function, or a bad recipe with its message."""
    name, _, function = proof.partition("::")
    if function:
        file = ROOT / "tests" / name
        return file.is_file() and f"\ndef {function}(" in file.read_text()
    return all((ROOT / f"tests/recipe/bad/{name}{suffix}").is_file() for suffix in (".yaml", ".txt"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: keys(row)[0])
def test_a_rows_keys_are_in_the_schema_and_its_page_exists(row: list[str]) -> None:
    """With the section that it names."""
    link = re.fullmatch(r"\[[^\]]+\]\(([^)#]*)(?:#([^)]+))?\)", row[2])

    assert link is not None
    page = ROOT / "docs" / link[1] if link[1] else PAGE
    assert page.is_file()
    assert not link[2] or link[2] in anchors(page)
    if row[1] != "-":
        assert [key for key in keys(row) if not accepts(SCHEMA, key.split("."))] == []


def test_every_row_has_a_test_that_builds_it_and_its_bad_inputs() -> None:
    """Each exists; the table and this list have the same keys."""
    named = [key for row in ROWS for key in keys(row)]

    assert sorted(named) == sorted(PROOFS)
    proofs = [one for proof in PROOFS.values() for one in (proof["built"], *proof["bad"])]
    assert [one for one in proofs if not exists(one)] == []
    assert all(proof["bad"] for proof in PROOFS.values())
