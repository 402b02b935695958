"""Edits of files, patches of recipes and models, and the folder that a patch is built in."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from etbuild.errors import UsageError
from etbuild.lint import patches
from etbuild.lint.budget import budget
from etbuild.lint.edits import applied, at_end, unified_diff
from etbuild.lint.finding import Edit, Patch
from etbuild.lint.graph import Subject
from etbuild.lint.trial import link_project


def subject(source: str = "", recipe: str = "", entry: str = "") -> Subject:
    return Subject("tosa-u55", (), None, [], ("r.yaml", recipe), ("m.py", dedent(source)), entry)


def new_text(root: Path, patch: Patch | None, text: str) -> str:
    assert patch is not None
    (root / patch.edits[0].file).write_text(text)
    (made,) = applied(root, patch.edits).values()
    return made


@pytest.mark.parametrize(
    "text",
    [
        "model: {builtin: add}\n",
        "model: {builtin: add}",
        "model: {builtin: add}\nquantize:\n  # how\n  scheme: int8\n",
        "model: {builtin: add}\nquantize: {scheme: int8} # how\n",
        "quantize:\n    calibration: {samples: 2}\nmodel: {builtin: add}\n",
    ],
)
def test_a_key_of_a_recipe_is_added_wherever_its_section_is(tmp_path: Path, text: str) -> None:
    """And nothing else of the recipe changes."""
    patch = patches.of_recipe(subject(recipe=text), "quantize", "io", "int8", "integers", exact=True)
    before: dict[str, Any] = yaml.safe_load(text)

    after = yaml.safe_load(new_text(tmp_path, patch, text))

    assert after == {**before, "quantize": {**before.get("quantize", {}), "io": "int8"}}


@pytest.mark.parametrize(
    "text",
    [
        "quantize: &q\n  io: int8\n",
        "quantize:\n  io: float32\n",
        "quantize:\nmodel:\n",
        '{"model": {"builtin": "add"}}',
    ],
)
def test_a_section_that_is_not_plain_gets_no_patch(text: str) -> None:
    """An anchor, a key that is there already, an empty section, a recipe in JSON: it would be another one."""
    assert patches.of_recipe(subject(recipe=text), "quantize", "io", "int8", "integers", exact=True) is None


@pytest.mark.parametrize(
    ("call", "becomes"),
    [
        ("x.mean((2, 3))", "nn.AdaptiveAvgPool2d(1)(x).flatten(1)"),
        ("self.a(x).mean([-1, -2])", "nn.AdaptiveAvgPool2d(1)(self.a(x)).flatten(1)"),
        ("x.mean(dim=(2, 3), keepdim=True)", "nn.AdaptiveAvgPool2d(1)(x)"),
    ],
)
def test_a_mean_over_the_image_becomes_a_pooling(tmp_path: Path, call: str, becomes: str) -> None:
    """In its place of the line."""
    text = f"from torch import nn\ny = [{call}, 1]\n"
    patch = patches.of_expression(subject(text), "m.py:2", "pooling", exact=True)

    assert new_text(tmp_path, patch, text) == f"from torch import nn\ny = [{becomes}, 1]\n"


@pytest.mark.parametrize(
    "text",
    [
        "from torch import nn\ny = x.mean((2, 3)) + z.mean((2, 3))\n",
        "import torch\ny = x.mean((2, 3))\n",
        "from torch import nn\ny = x.mean(axes)\n",
        "from torch import nn\ny = x.mean((1, 2))\n",
    ],
)
def test_a_mean_that_is_not_certain_gets_no_patch(text: str) -> None:
    """Two on a line, nn not imported, axes that are not written there, other axes."""
    assert patches.of_expression(subject(text), "m.py:2", "pooling", exact=True) is None


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("", "import torch\nModelUnderTest = 1\nModelInputs = ()\n"),
        ("make", "def make():\n    return 1, ()"),
    ],
)
def test_lines_after_the_model_are_python(tmp_path: Path, entry: str, text: str) -> None:
    """For ModelUnderTest and for a factory, with and without a line end at the end."""
    patch = patches.of_modules(subject(text, entry=entry), "c pads itself", True, ["model.c = nn.Identity()"])

    made = new_text(tmp_path, patch, text)

    ast.parse(made)
    assert made.startswith(text)
    assert ("model.c" if entry else "ModelUnderTest.c") in made


def test_a_diff_can_be_applied_where_a_file_has_no_line_end(tmp_path: Path) -> None:
    """As git writes it."""
    (tmp_path / "a").write_text("one")

    assert unified_diff(tmp_path, (at_end("a", "one", "two\n"),)) == (
        "--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n-one\n\\ No newline at end of file\n+one\n+two\n"
    )


def test_a_patched_project_has_links_and_its_own_copies(tmp_path: Path) -> None:
    """No file of the project is written; recipes that it does not need are not there."""
    project = tmp_path / "project"
    for name in ("recipes/r.yaml", "recipes/other.yaml", "recipes/models/m.py", "data/d.npz", "build/x", ".git/x"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("old\n")

    root = tmp_path / "trial"
    link_project(project, root, ("recipes/r.yaml",), (Edit("recipes/models/m.py", 1, 1, 1, 4, "new"),))

    assert (root / "recipes/models/m.py").read_text() == "new\n"
    assert (project / "recipes/models/m.py").read_text() == "old\n"
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and "data" not in path.parts} == {
        *("dodo.py", "recipes/r.yaml", "recipes/models/m.py"),
    }
    assert (root / "data/d.npz").resolve() == project / "data/d.npz"


@pytest.mark.parametrize("text", ["0", "x", "1.5", "-1", "86401", "1e3"])
def test_a_wrong_budget_is_refused(text: str) -> None:
    """It is a whole number of seconds."""
    with pytest.raises(UsageError) as error:
        budget(text)

    assert str(error.value) == (
        f'--budget: got "{text}", wanted a whole number of 1 to 86400, in seconds\n    doit lint:R --budget 60'
    )
