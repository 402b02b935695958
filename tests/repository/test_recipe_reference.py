"""docs/recipe-reference.md is made from the schema of recipes and has every key of it."""

from __future__ import annotations

from typing import Any

from etbuild.recipe.schema import recipe_schema
from website.reference import PAGE, keys_of, page

TEXT = PAGE.read_text(encoding="utf-8")


def schema_keys(node: Any) -> list[str]:
    """Every key of every mapping in the schema, by another way than the generator's."""
    if isinstance(node, list):
        return [key for part in node for key in schema_keys(part)]
    if not isinstance(node, dict):
        return []
    own = list(node["properties"]) if node.get("additionalProperties") is False else []
    return own + [key for name, part in node.items() if name != "examples" for key in schema_keys(part)]


def test_the_page_is_what_the_generator_gives() -> None:
    """Run `python -m website.reference` after a change of a key."""
    assert page() == TEXT


def test_every_key_has_a_row() -> None:
    """A definition that two sections share, as that of samples, is written out in each."""
    known = set(schema_keys(recipe_schema()))

    assert known <= {name.rpartition(".")[2] for name in keys_of(recipe_schema())}
    assert len(keys_of(recipe_schema())) == len(
        [line for line in TEXT.splitlines() if line.startswith(("| `", "| [`"))]
    )


def test_a_row_has_type_limits_default_and_description() -> None:
    """With the unit of a number, and what is allowed where there is a choice."""
    rows = {line.split(" | ")[0]: line for line in TEXT.splitlines() if line.startswith("| `")}

    assert rows["| `timeout_s`"] == (
        "| `timeout_s` | a number above 0, at most 86400; unit: seconds | `60` |"
        " How long all vectors together may take. For example `60`. |"
    )
    assert rows["| `axis`"].startswith("| `axis` | an integer from 0 to 7 | required |")
    assert rows["| `fallback`"].startswith("| `fallback` | `portable` or `cortex_m` | `portable` |")
