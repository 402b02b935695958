"""Writes docs/recipe-reference.md: every key of a recipe, from the schema. It describes nothing itself.

Run as `python -m website.reference` when a key has changed; a test checks that the page is up to date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from etbuild.recipe.schema import recipe_schema
from website import ROOT

Json = dict[str, Any]

PAGE = ROOT / "docs" / "recipe-reference.md"
_TYPES = {"boolean": "true or false", "integer": "an integer", "number": "a number", "string": "text"}
_HEAD = """\
<!-- made by python -m website.reference from schemas/recipe.schema.json: do not edit -->
# Recipe reference

{description}

This is `schemas/recipe.schema.json` in words; `etbuild new` writes that file beside your recipes, for editors. What no
schema can say, such as two keys that exclude each other, is checked when the recipe is loaded.

A key without a default may be left out, unless the table says that it is required. A dot in a heading is a level of
YAML, and `[]` stands for each entry of a list.
"""


def page() -> str:
    """The whole page."""
    schema = recipe_schema()
    head = _HEAD.format(description=schema["description"])
    return "\n".join([head, *_top(schema), *_sections(schema)]).rstrip() + "\n"


def keys_of(schema: Json) -> list[str]:
    """The dotted name of every key, in the order of the page."""
    found = list(schema["properties"])
    for name, part in _parts(schema):
        found += [f"{name}.{key}" for key in part["properties"]]
    return found


def _parts(schema: Json) -> list[tuple[str, Json]]:
    """All mappings with keys of their own by dotted name, each before those in it."""
    found: list[tuple[str, Json]] = []

    def visit(name: str, node: Json) -> None:
        for suffix, part in _mappings(node, schema):
            if part not in [known for _, known in found]:
                found.append((name + suffix, part))
                for key, value in part["properties"].items():
                    visit(f"{name}{suffix}.{key}", value)

    for key, value in schema["properties"].items():
        visit(key, value)
    return found


def _mappings(node: Json, schema: Json, suffix: str = "") -> Iterator[tuple[str, Json]]:
    """The mappings with keys that a value may be, or be a list or mapping of."""
    node = _resolved(node, schema)
    if "properties" in node:
        yield suffix, node
        return
    yield from (
        found for part in node.get("anyOf", ()) if "type" not in part for found in _mappings(part, schema, suffix)
    )
    if "items" in node:
        yield from _mappings(node["items"], schema, f"{suffix}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _mappings(node["additionalProperties"], schema, f"{suffix}.NAME")


def _resolved(node: Json, schema: Json) -> Json:
    """The definition that a node refers to, with what the node says itself."""
    if "$ref" not in node:
        return node
    return {**schema["$defs"][node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}}


def _top(schema: Json) -> Iterator[str]:
    yield from ("## Sections", "", "| key | value | what it is |", "|---|---|---|")
    for key, node in schema["properties"].items():
        names = [name for name, _ in _parts(schema) if name.split(".")[0].removesuffix("[]") == key]
        label = f"[`{key}`](#{_anchor(names[0])})" if names else f"`{key}`"
        yield f"| {label} | {_value(node, schema)} | {_meaning(_resolved(node, schema))} |"
    yield ""


def _sections(schema: Json) -> Iterator[str]:
    for name, part in _parts(schema):
        yield from (f"{'##' if '.' not in name else '###'} {name}", "", _escaped(part["description"]), "")
        yield from ("| key | value | default | what it is |", "|---|---|---|---|")
        for key, node in part["properties"].items():
            default = "required" if key in part.get("required", ()) else _default(_resolved(node, schema))
            yield f"| `{key}` | {_value(node, schema)} | {default} | {_meaning(_resolved(node, schema))} |"
        yield ""
        yield from _example(name, part)


def _example(name: str, part: Json) -> Iterator[str]:
    """The first example, as it stands in a recipe."""
    for example in part.get("examples", ())[:1]:
        nested: Any = example
        for level in reversed(name.split(".")):
            nested = {level.removesuffix("[]"): [nested] if level.endswith("[]") else nested}
        text = yaml.safe_dump(nested, sort_keys=False, default_flow_style=None, width=110)
        # In YAML 1.2 `on` is text.
        yield from ("```yaml", text.rstrip().replace("'on'", "on"), "```", "")


def _meaning(node: Json) -> str:
    obvious = "properties" in node or "enum" in node or node.get("type") == "boolean"
    examples = [] if obvious else node.get("examples", [])
    tail = f" For example {_list(examples)}." if examples else ""
    return _escaped(node.get("description", "")) + tail


def _default(node: Json) -> str:
    return f"`{_plain(node['default'])}`" if "default" in node else ""


def _value(node: Json, schema: Json) -> str:
    """What may be written, with limits and unit."""
    unit = _resolved(node, schema).get("x-unit")
    return _kind(node, schema) + (f"; unit: {unit}" if unit else "")


def _kind(node: Json, schema: Json) -> str:
    node = _resolved(node, schema)
    if "enum" in node:
        return ("one of " if len(node["enum"]) > 2 else "") + _list(node["enum"])
    if "anyOf" in node:
        return ", or ".join(_kind(part, schema) for part in node["anyOf"])
    if "x-wanted" in node:
        return _escaped(node["x-wanted"])
    if "properties" in node:
        return "a mapping"
    if node["type"] == "array":
        return f"a list, each {_kind(node['items'], schema)}{_count(node)}"
    if node["type"] == "object":
        return f"a mapping, each value {_kind(node['additionalProperties'], schema)}"
    names = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return " or ".join(_TYPES[name] for name in names) + _bounds(node)


def _count(node: Json) -> str:
    low, high = node.get("minItems", 0), node.get("maxItems")
    if low == high:
        return f", {low} of them"
    return (f", at least {low}" if low > 1 else "") + (f", at most {high}" if high else "")


def _bounds(node: Json) -> str:
    low, high, above = (node.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if low is not None and high is not None:
        return f" from {low} to {high}"
    least = f" above {above}" if above is not None else f" of at least {low}" if low is not None else ""
    return least + (f", at most {high}" if high is not None else "")


def _list(values: Sequence[object]) -> str:
    *most, last = [f"`{_plain(value)}`" for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|")


def _escaped(text: str) -> str:
    """Text of a schema as Markdown: what could be read as HTML, a table's border or emphasis is not."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def _anchor(heading: str) -> str:
    return "".join(one for one in heading.lower() if one.isalnum() or one in "_-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
