"""Every diagnostic of a recipe names its location, key, what it got, what it wanted, and a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.errors import RecipeError
from etbuild.recipe.load import load, load_all

HERE = Path(__file__).parent
CASES = sorted(file.name for file in (HERE / "bad").glob("[!_]*.yaml"))


def message(file: Path, root: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load(file, root, {})
    return str(caught.value)


def write(root: Path, text: str, name: str = "net.yaml") -> Path:
    file = root / "recipes" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    (file.parent / "net.py").touch()
    return file


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_gives_exactly_one_message(name: str) -> None:
    """NAME.yaml has one mistake; NAME.txt is the whole message."""
    file = HERE / "bad" / name

    assert message(file, HERE) + "\n" == file.with_suffix(".txt").read_text()


def test_there_are_enough_bad_recipes() -> None:
    """A pattern without matches would pass the test above."""
    assert len(CASES) >= 45


def test_all_diagnostics_of_a_file_are_reported_at_once_in_line_order(tmp_path: Path) -> None:
    """Those of YAML, of the schema, of missing files and of illegal pairs are sorted together."""
    file = write(
        tmp_path,
        """\
quantize:
  sceme: int8
targets:
  - npu: ethos-u55-128
    memory_mode: Dedicated_Sram
vectors: {data: digits.npz, samples: 010}
model:
  source: nett.py
header:
  symbol: mnist
  symbol: digits
  alignment: 24
""",
    )

    places = [line.split(": ")[0] for line in message(file, tmp_path).splitlines() if line.startswith("recipes")]

    assert places == [f"recipes/net.yaml:{place}" for place in ("2:3", "5:18", "6:17", "6:38", "8:11", "11:3", "12:14")]


def test_a_bad_value_neither_hides_nor_causes_other_diagnostics(tmp_path: Path) -> None:
    """A wrong `source` still counts as a source; the other keys of its section are still checked."""
    file = write(
        tmp_path,
        "model: {source: 3, weights: net.txt}\ntargets: [{npu: 5, memory_mode: 7}, {npu: ethos-u55-32, vela: [x]}]\n",
    )

    assert [line.split(": got")[0] for line in message(file, tmp_path).splitlines() if ": got" in line] == [
        "recipes/net.yaml:1:17: model.source",
        "recipes/net.yaml:1:29: model.weights",
        "recipes/net.yaml:2:17: targets[0].npu",
        "recipes/net.yaml:2:33: targets[0].memory_mode",
        "recipes/net.yaml:2:63: targets[1].vela",
    ]


def test_diagnostics_of_an_extended_recipe_follow_those_of_the_recipe_itself(tmp_path: Path) -> None:
    """Each message names the file that contains the value."""
    write(tmp_path, "model: {source: absent.py}\n", "_base.yaml")
    file = write(tmp_path, "extends: _base.yaml\ntargets: [{npu: ethos-u55}]\n")

    assert [line.split(": got")[0] for line in message(file, tmp_path).splitlines() if ": got" in line] == [
        "recipes/net.yaml:2:17: targets[0].npu",
        "recipes/_base.yaml:1:17: model.source",
    ]


def test_a_recipe_outside_the_project_has_an_absolute_path_in_messages(tmp_path: Path) -> None:
    """A relative path would mislead."""
    file = write(tmp_path, "model: {builtin: add}\ntargets: []\n")

    assert message(file, tmp_path / "elsewhere").startswith(f"{file}:2:10: targets: got an empty list")


@pytest.mark.parametrize(("make", "got"), [("mkdir", "a folder"), ("mkfifo", "a device or pipe"), ("", "no file")])
def test_what_is_no_regular_file_is_reported_without_reading_it(tmp_path: Path, make: str, got: str) -> None:
    """Reading a pipe would hang."""
    import os

    file = tmp_path / "net.yaml"
    if make:
        getattr(os, make)(file)

    assert message(file, tmp_path) == f"net.yaml: got {got}, wanted a recipe"


def test_diagnostics_of_all_recipes_are_reported_at_once_and_a_shared_one_once(tmp_path: Path) -> None:
    """Two recipes extend the same invalid base."""
    write(tmp_path, "model: {source: net.py}\ngolden: {lsb: -1}\n", "_base.yaml")
    for name, npu in (("a.yaml", "ethos-u55-128"), ("b.yaml", "ethos-u56-128")):
        write(tmp_path, f"extends: _base.yaml\ntargets: [{{npu: {npu}}}]\n", name)
    write(tmp_path, "model: {source: net.py}\n", "c.yml")

    with pytest.raises(RecipeError) as caught:
        load_all(tmp_path)

    assert [(problem.location, problem.path) for problem in caught.value.problems] == [
        ("recipes/_base.yaml:2:15", "golden.lsb"),
        ("recipes/b.yaml:2:17", "targets[0].npu"),
        ("recipes/c.yml", ""),
        ("recipes/c.yml:1:1", "targets"),
    ]


def test_the_users_text_cannot_control_the_terminal(tmp_path: Path) -> None:
    """Escape sequences and endless text are shown as text of one short line."""
    file = write(tmp_path, 'model: {source: net.py}\ntargets: [{npu: "\\e[2J' + "x" * 500 + '"}]\n')

    assert message(file, tmp_path) == (
        'recipes/net.yaml:2:17: targets[0].npu: got "\\x1b[2J' + "x" * 56 + '...", '
        "wanted text of one line without control characters"
    )
