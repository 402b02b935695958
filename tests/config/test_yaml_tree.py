"""Scalars follow YAML 1.2, with and without libyaml; aliases and merge keys work, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from etbuild.config import yaml_tree
from etbuild.config.diagnostics import Diagnostics, Location
from etbuild.config.yaml_tree import MapNode, plain

FILE = Path("net.yaml")


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both parsers of PyYAML; libyaml is not installed everywhere."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("this PyYAML was built without libyaml")
    yield request.param


def value(text: str) -> Any:
    diagnostics = Diagnostics()
    node = yaml_tree.read(text.encode(), FILE, diagnostics)
    diagnostics.check([FILE])
    assert node is not None
    return plain(node)


def diagnostics_of(text: str | bytes) -> list[str]:
    diagnostics = Diagnostics()
    yaml_tree.read(text if isinstance(text, bytes) else text.encode(), FILE, diagnostics)
    return [str(problem).splitlines()[0] for problem in diagnostics.sorted([FILE])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("~/model.py", "~/model.py"),
        ("1e3", 1000.0),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        ("'010'", "010"),
        ('"no"', "no"),
        ("'1'", "1"),
        ("9223372036854775807", 2**63 - 1),
        ("=", "="),
    ],
)
def test_a_scalar_means_what_yaml_1_2_says(parser: str, text: str, expected: object) -> None:
    """Without YAML 1.1's Norway problem, sexagesimals, dates, octals and underscores."""
    found = value(f"key: {text}\n")["key"]

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("text", ["010", "-007", "00", "08"])
def test_a_number_with_leading_zeros_is_rejected(parser: str, text: str) -> None:
    """YAML 1.1 reads it as octal, YAML 1.2 as decimal."""
    assert diagnostics_of(f"key: {text}\n") == [f"net.yaml:1:6: key: got {text}, wanted a number without leading zeros"]


@pytest.mark.parametrize("text", ["1e999", ".inf", "-.INF", ".nan"])
def test_a_number_that_is_not_finite_is_rejected(parser: str, text: str) -> None:
    """No setting can be infinite."""
    assert diagnostics_of(f"key: {text}\n") == [f"net.yaml:1:6: key: got {text}, wanted a finite number"]


def test_keys_are_text_whatever_they_look_like(parser: str) -> None:
    """`on:` is text, not true."""
    assert value("on: 1\nno: 2\n1: 3\nnull: 4\n010: 5\n") == {"on": 1, "no": 2, "1": 3, "null": 4, "010": 5}


def test_aliases_and_merge_keys_are_resolved(parser: str) -> None:
    """The mapping's own keys win, then the first of the merged ones; a quoted << is a key like any other."""
    text = """\
a: &a {x: 1, y: 2}
b: &b {y: 3, z: 4}
c: *a
d: {<<: *a, x: 5}
e: {x: 6, <<: [*b, *a]}
f: {"<<": 7}
"""

    found = value(text)

    assert {key: found[key] for key in "cdef"} == {
        "c": {"x": 1, "y": 2},
        "d": {"x": 5, "y": 2},
        "e": {"x": 6, "y": 3, "z": 4},
        "f": {"<<": 7},
    }


def test_an_alias_of_a_value_that_contains_it_is_rejected(parser: str) -> None:
    """A value cannot contain itself."""
    assert diagnostics_of("a: &a [*a]\n") == [
        "net.yaml:1:8: a[0]: got the alias *a, wanted an alias of an anchor that ends above it"
    ]


def test_aliases_that_expand_exponentially_are_rejected_before_expansion(parser: str) -> None:
    """Nine lines that expand to a thousand million values."""
    lines = ["a0: &a0 [" + "x," * 10 + "]"]
    lines += [f"a{number}: &a{number} [" + f"*a{number - 1}," * 10 + "]" for number in range(1, 9)]

    assert diagnostics_of("\n".join(lines)) == [
        "net.yaml:4:22: got more than 5000 values, wanted a file that a person can read"
    ]


def test_aliases_that_nest_deeply_are_rejected(parser: str) -> None:
    """Each line nests one deeper than the one before."""
    lines = ["a0: &a0 []", *(f"a{number}: &a{number} [*a{number - 1}]" for number in range(1, 60))]

    assert diagnostics_of("\n".join(lines)) == [
        "net.yaml:25:12: got values nested more than 24 deep, wanted a file that a person can read"
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "- " * 100_000])
def test_deep_nesting_is_rejected_early(text: str) -> None:
    """Before Python's recursion limit."""
    (message,) = diagnostics_of(text)

    assert message.endswith("values nested more than 24 deep, wanted a file that a person can read")


def test_a_huge_file_is_not_parsed() -> None:
    """A model given in place of a recipe, for example."""
    assert diagnostics_of(b"#" * (yaml_tree.MAX_BYTES + 1)) == [
        "net.yaml:1:1: got a file of more than 262144 bytes, wanted a file that a person can read"
    ]


def test_a_tab_in_indentation_is_rejected(parser: str) -> None:
    """As YAML demands."""
    assert diagnostics_of("a:\n\tb: 1\n") == ["net.yaml:2:1: got a tab, wanted spaces"]


def test_all_ambiguous_values_of_a_file_are_reported(parser: str) -> None:
    """The first does not end the reading."""
    assert [line.split(": got")[0] for line in diagnostics_of("a: 010\nb: !!str x\na: 2\nc: [.inf, *d]\n")] == [
        "net.yaml:1:4: a",
        "net.yaml:2:4: b",
        "net.yaml:3:1: a",
        "net.yaml:4:5: c[0]",
        "net.yaml:4:11: c[1]",
    ]


def test_every_value_has_its_location_and_that_of_its_key(parser: str) -> None:
    """Columns count characters, not bytes; a byte order mark is no column."""
    node = yaml_tree.read("\ufeffé: {ü: [1, 'x']}\n".encode(), FILE, Diagnostics())

    assert isinstance(node, MapNode)
    entry = node.entries["é"]
    assert isinstance(entry.node, MapNode)
    assert (entry.location, entry.node.entries["ü"].location, entry.node.entries["ü"].node.location) == (
        Location(FILE, 1, 1),
        Location(FILE, 1, 5),
        Location(FILE, 1, 8),
    )
