"""A patch of lint that changes the recipe's target: another memory mode for a model that does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import CONV, U65, Project, recipe

from etbuild.hardware.boards import board_file, load_board
from etbuild.lint.part import Larger, Part
from etbuild.recipe.rewrite_sections import Rewrite
from etbuild.steps import export, lint, quantize

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e

RECIPE = """
    model: {source: ../model.py}
    targets:
      - {npu: ethos-u65-256, memory_mode: Shared_Sram}  # an i.MX 93
"""
SHARED = replace(U65, memory_mode="Shared_Sram")
LARGER = Larger("Shared_Sram", "Dedicated_Sram", "ddr", 1 << 28)
PART = Part("ethos-u65-256", "tosa-u55", "ethos-u65-256", "sram", 50, LARGER).to_argument()


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The model above, linted for a board whose scratch lies in 50 bytes."""
    made = Project(tmp_path_factory.mktemp("crowded"))
    made.write("model.py", CONV)
    made.write("recipes/r.yaml", RECIPE)
    one: Recipe = recipe(SHARED)
    step = lint.step(one)
    assert step is not None
    argv = [PART if before == "--part" else word for before, word in zip(("", *step.argv), step.argv, strict=False)]
    made.run(export.step(one), quantize.step(one, "tosa-u55"), step._replace(argv=tuple(argv)))
    return made


PADDED = """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, stride=2))
        ModelInputs = (torch.randn(1, 3, 6, 6),)
"""


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A convolution of stride 2 with zeros at two of four sides, linted."""
    made = Project(tmp_path_factory.mktemp("padded"))
    made.write("model.py", PADDED)
    made.write("recipes/r.yaml", "model: {source: ../model.py}\n")
    one: Recipe = recipe(SHARED)
    made.run(export.step(one), quantize.step(one, "tosa-u55"), lint.step(one))
    return made


def patched(project: Project, rule: str) -> str:
    """The recipe after the patch of a finding."""
    rows = project.json("build/r/lint.json")["findings"]
    number = next(number for number, one in enumerate(rows, 1) if one["rule"] == rule)
    command = ["patch", "-p1", "-s", "-o", "-", "-i", f"build/r/lint/{number}.patch"]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True).stdout


def test_what_does_not_fit_gets_a_memory_mode_in_which_it_does(crowded: Project) -> None:
    """In the line of the target; the finding names region and bytes."""
    (one,) = [one for one in crowded.json("build/r/lint.json")["findings"] if one["rule"] == "does-not-fit"]
    before = (crowded.root / "recipes/r.yaml").read_text()

    assert one["patch"]["title"] == "memory mode Dedicated_Sram: the scratch is in ddr, which has 268,435,456 bytes"
    assert patched(crowded, "does-not-fit") == before.replace("Shared_Sram", "Dedicated_Sram")


def test_a_part_with_a_larger_region_comes_back_from_its_argument() -> None:
    """And one without."""
    board = load_board(board_file("corstone-300") or Path(), Path("corstone-300"))
    one = Part.of(SHARED, board)

    assert (one.region, one.larger and one.larger.region) == ("sram", "ddr")
    assert Part.parse(one.to_argument()) == one
    assert Part.parse(Part.of(SHARED, None).to_argument()) == Part.of(SHARED, None)


@pytest.mark.slow
def test_the_effect_of_the_memory_mode_is_measured(crowded: Project, tmp_path: Path) -> None:
    """By builds: it costs cycles, and no other figure."""
    step = lint.step(recipe(SHARED))
    assert step is not None
    words = [PART if before == "--part" else word for before, word in zip(("", *step.argv), step.argv, strict=False)]
    command = [sys.executable, "-m", "etbuild.steps.lint", *words, "--budget", "600"]
    environment = {**os.environ, "ETBUILD_CACHE": str(tmp_path / "cache"), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, cwd=crowded.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = crowded.json("build/r/lint.json")["findings"]
    effect = next(one["effect"] for one in rows if one["rule"] == "does-not-fit")

    assert effect["how"] == "measured", effect
    figures: dict[str, Any] = {one["name"]: one["after"] - one["before"] for one in effect["figures"]}
    assert figures.pop("cycles") > 0
    assert {name for name, change in figures.items() if change} <= {"pte_bytes", "sram_bytes"}


def test_zeros_at_unequal_sides_get_the_rule_that_puts_them_into_the_convolution(padded: Project) -> None:
    """padding= of PyTorch's convolution has no four sides; step rewrite computes the same, without the copy."""
    (one,) = [one for one in padded.json("build/r/lint.json")["findings"] if one["rule"] == "pad-before-convolution"]

    assert (one["patch"]["title"], one["patch"]["exact"]) == ("the rule pads of step rewrite", True)
    assert patched(padded, "pad-before-convolution") == "model: {source: ../model.py}\nrewrite: {rules: [pads]}\n"


def test_a_recipe_with_the_rule_has_no_finding_of_zeros(padded: Project) -> None:
    """The partitioner still sees them; the graph that Vela compiles has none."""
    padded.run(lint.step(replace(recipe(SHARED), rewrite=Rewrite(("pads",)))))

    rules = [one["rule"] for one in padded.json("build/r/lint.json")["findings"]]
    assert "pad-before-convolution" not in rules
