"""docs/from-executorch.md: what it tells a new user to write and to run is accepted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from etbuild.cli.main import COMMANDS, main
from etbuild.recipe.load import load, load_all

PAGE = (Path(__file__).parents[2] / "docs/from-executorch.md").read_text()
RECIPES = re.findall(r"```yaml\n(model:.*?)```", PAGE, re.DOTALL)
# What the learning paths pass to aot_arm_compiler.
OPTIONS = ["model_name", "delegate", "quantize", "target", "system_config", "memory_mode", "output", "debug"]


def test_there_are_recipes_on_the_page() -> None:
    """A pattern without matches would pass the test below."""
    assert len(RECIPES) >= 3


@pytest.mark.parametrize("text", RECIPES)
def test_every_recipe_on_the_page_is_valid(tmp_path: Path, text: str) -> None:
    """Once the model's file is there."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "models").mkdir()
    for name in re.findall(r"source: \.\./(models/\w+\.py)", text):
        (tmp_path / name).touch()
    (tmp_path / "recipes/net.yaml").write_text(text)

    assert load(tmp_path / "recipes/net.yaml", tmp_path, {}).targets


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_the_learning_path_has_a_row(option: str) -> None:
    """With what replaces it."""
    assert re.search(rf"^\| [^|]*`--{option}\b[^|]*\| [^|]{{10,}}", PAGE, re.MULTILINE)


def test_the_page_begins_with_a_command_that_makes_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, as it is written there; all other commands exist."""
    monkeypatch.chdir(tmp_path)
    written = re.findall(r"`etbuild (new \w+ --model [^`]+)`", PAGE)

    assert [main(shlex.split(words)) for words in written] == [0] * len(written) != []
    assert [recipe.name for recipe in load_all(tmp_path)] == ["mnist_model"]
    assert (tmp_path / "dodo.py").is_file()
    assert set(re.findall(r"`etbuild (\w+)", PAGE)) <= set(COMMANDS)
