"""The time limit of one job of the NPU: from the recipe, else the board's."""

from __future__ import annotations

from pathlib import Path

import pytest

from etbuild.recipe.load import load
from etbuild.steps import firmware

RECIPE = """\
model: {{builtin: mv2}}
targets: [{{npu: ethos-u55-128}}]
runtime: {{board: corstone-300{more}}}
"""


@pytest.mark.parametrize(
    ("more", "expected"),
    [("", ()), (", npu_timeout_s: 10", ()), (", npu_timeout_s: 90", ("--npu-timeout", "90"))],
)
def test_a_recipe_says_how_long_a_job_of_the_npu_may_take(tmp_path: Path, more: str, expected: tuple[str, ...]) -> None:
    """What equals the board's 10 s is not on the command line."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "one.yaml").write_text(RECIPE.format(more=more))
    recipe = load(folder / "one.yaml", tmp_path, {})

    step = firmware.step(recipe, recipe.targets[0])

    assert step is not None
    words = list(step.argv)
    found = tuple(words[words.index("--npu-timeout") :][:2]) if "--npu-timeout" in words else ()
    assert found == expected
