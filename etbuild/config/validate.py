"""Validates a YAML tree against a JSON Schema; each diagnostic has a location, what is wanted, and a likely remedy.

It does not change the tree. It returns the paths of the values that later checks must ignore.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etbuild.config.diagnostics import Diagnostics, KeyPath, Location, did_you_mean, one_of, quoted
from etbuild.config.yaml_tree import ListNode, MapNode, Node, Scalar, described, plain

Schema = Mapping[str, Any]

_TYPES = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}
_YES = ("yes", "on", "y")
_NO = ("no", "off", "n")


def check(root: MapNode, schema_file: Path, diagnostics: Diagnostics) -> frozenset[KeyPath]:
    """Add a diagnostic for everything in `root` that the schema does not allow; return the paths of invalid values.

    An `else` of the schema is for editors and ignored here: the code that resolves the recipe reports it better.
    """
    bad = set(_reported(root, ()))
    validator = _validator(schema_file)
    errors = list(_flat(validator.iter_errors(plain(root))))
    for path, scalar in _scalars(root, ()):
        if isinstance(scalar.value, str) and re.search(r"[\x00-\x1f\x7f]", scalar.value):
            diagnostics.add(scalar.location, path, described(scalar), "text of one line without control characters")
            bad.add(path)
    for error in errors:
        path = tuple(error.absolute_path)
        if "else" in error.absolute_schema_path or any(path[:length] in bad for length in range(len(path) + 1)):
            continue
        node = _at(root, path)
        if error.validator == "additionalProperties":
            _add_unknown(node, path, validator, error.schema, diagnostics)
        elif "propertyNames" in error.absolute_schema_path:
            _add_bad_name(node, path, validator, error, diagnostics)
        elif error.validator == "required":
            _add_missing(root, path, validator, error, diagnostics)
        elif error.validator == "uniqueItems":
            _add_repeated(node, path, diagnostics)
            bad.add(path)
        else:
            least = ", at least one" if (error.validator, error.validator_value) == ("minItems", 1) else ""
            wanted = _wanted(error.schema, validator) + least
            diagnostics.add(_location(root, path), path, described(node), wanted, _remedy(node, error.schema))
            bad.add(path)
    return frozenset(bad)


@functools.cache
def _validator(schema_file: Path) -> Any:
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def unique_items(validator: Any, wanted: bool, values: Any, _schema: Schema) -> Iterator[ValidationError]:
        """Linear time; the one of jsonschema compares every pair."""
        if wanted and validator.is_type(values, "array") and len(set(map(_text, values))) < len(values):
            yield ValidationError("repeated")

    # The type stubs of jsonschema do not annotate `extend`.
    validator = extend(Draft202012Validator, {"uniqueItems": unique_items})  # type: ignore[no-untyped-call]
    return validator(json.loads(schema_file.read_text(encoding="utf-8")))


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _flat(errors: Iterator[Any]) -> Iterator[Any]:
    """The errors; that of an anyOf is replaced by those of its only branch for the type of the value, if any."""
    for error in errors:
        if error.validator != "anyOf":
            yield error
            continue
        branches: dict[Any, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        fitting = [branch for branch in branches.values() if not any(map(_is_of_wrong_type, branch))]
        yield from _flat(iter(fitting[0])) if len(fitting) == 1 else iter([error])


def _is_of_wrong_type(error: Any) -> bool:
    """Whether this error of an anyOf's branch says that the branch is for values of another type."""
    if error.relative_path:
        return False
    if error.validator == "enum":
        return not isinstance(error.instance, str)
    return bool(error.validator == "type")


def _reported(node: Node, path: KeyPath) -> Iterator[KeyPath]:
    """The paths of the values that the YAML reader reported."""
    for scalar_path, scalar in _scalars(node, path):
        if not scalar.valid:
            yield scalar_path


def _scalars(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Scalar]]:
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _scalars(item, (*path, index))
    else:
        for key, entry in node.entries.items():
            yield from _scalars(entry.node, (*path, key))


def _at(root: Node, path: KeyPath) -> Node:
    for part in path:
        root = root.entries[str(part)].node if isinstance(root, MapNode) else _item(root, part)
    return root


def _item(node: Node, index: str | int) -> Node:
    assert isinstance(node, ListNode) and isinstance(index, int)
    return node.items[index]


def _location(root: Node, path: KeyPath) -> Location:
    parent = _at(root, path[:-1]) if path else None
    return parent.entries[str(path[-1])].message_location if isinstance(parent, MapNode) else _at(root, path).location


def _add_unknown(node: Node, path: KeyPath, validator: Any, schema: Schema, diagnostics: Diagnostics) -> None:
    assert isinstance(node, MapNode)
    known = schema["properties"]
    for key, entry in node.entries.items():
        if key not in known:
            free = [name for name in known if name not in node.entries]
            owners = [
                name for name, part in validator.schema.get("$defs", {}).items() if key in part.get("properties", ())
            ]
            remedy = did_you_mean(key, free or known) or (f"{key} is a key of {' and '.join(owners)}" if owners else "")
            diagnostics.add(entry.location, (*path, key), "a key that does not exist", one_of(known), remedy)


def _add_bad_name(node: Node, path: KeyPath, validator: Any, error: Any, diagnostics: Diagnostics) -> None:
    """A key of a mapping whose keys the user chooses."""
    assert isinstance(node, MapNode)
    name = str(error.instance)
    remedy = did_you_mean(name, error.schema.get("enum", ()))
    diagnostics.add(node.entries[name].location, (*path, name), quoted(name), _wanted(error.schema, validator), remedy)


def _add_repeated(node: Node, path: KeyPath, diagnostics: Diagnostics) -> None:
    assert isinstance(node, ListNode)
    seen: set[str] = set()
    for index, item in enumerate(node.items):
        if (text := _text(plain(item))) in seen:
            diagnostics.add(item.location, (*path, index), f"{described(item)} again", "each value once")
        seen.add(text)


def _add_missing(root: MapNode, path: KeyPath, validator: Any, error: Any, diagnostics: Diagnostics) -> None:
    node = _at(root, path)
    assert isinstance(node, MapNode)
    properties = error.schema.get("properties") or validator.schema["properties"]
    for key in error.validator_value:
        if key not in node.entries:
            diagnostics.add(_location(root, path), (*path, key), "nothing", _wanted(properties[key], validator))


def _wanted(schema: Schema, validator: Any) -> str:
    """What the schema requires of a value, as a phrase for a message."""
    if "x-wanted" in schema:
        return str(schema["x-wanted"])
    if "$ref" in schema:
        return _wanted(validator.schema["$defs"][schema["$ref"].rpartition("/")[2]], validator)
    if "enum" in schema:
        return one_of(schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_wanted(branch, validator) for branch in schema["anyOf"])
    if "type" not in schema:
        return f"a name that matches {schema['pattern']}"
    if isinstance(schema["type"], list):
        return " or ".join(_TYPES[kind] for kind in schema["type"])
    if schema["type"] == "object":
        keys = schema.get("properties", ())
        return f"a mapping with {', '.join(keys)}" if keys else "a mapping"
    return _TYPES[schema["type"]] + _bounds(schema)


def _bounds(schema: Schema) -> str:
    low, high, above = (schema.get(key) for key in ("minimum", "maximum", "exclusiveMinimum"))
    if above is not None:
        return f" above {above}" + (f" and at most {high}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else ""


def _remedy(node: Node, schema: Schema) -> str:
    """How to correct the most likely mistake behind an invalid value, or ""."""
    if not isinstance(node, Scalar):
        return ""
    kind = schema.get("type", "")
    if node.value is None:
        return "write a value, or delete the key"
    if not isinstance(node.value, str):
        return f'text like this needs quotes: "{node.written}"' if kind == "string" else ""
    word = node.value.lower()
    if "enum" in schema:
        return did_you_mean(node.value, [name for name in schema["enum"] if isinstance(name, str)])
    if kind == "boolean" and word in _YES + _NO:
        return f"write {'true' if word in _YES else 'false'}: in YAML 1.2 {quoted(node.value)} is text"
    if kind in ("integer", "number") and _is_number(word):
        return "write the number without quotes" if "_" not in word else "write the number without underscores"
    return ""


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
