"""partition.exclude: what it names stays on the CPU, with the reason kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from project import TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.program_sections import Exclude, Partition
from etbuild.steps import export, golden, lower, quantize, run

UPSAMPLE = "U55 nearest-neighbor resize requires equal 2x, 4x, or 8x scale factors."
EXCLUDED = "excluded by the recipe"


def excluding(*excludes: Exclude) -> Any:
    return recipe(lsb=None, partition=Partition(excludes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Exported and quantised: a convolution with its relu, an operator that the U55 lacks, a convolution."""
    project = Project(tmp_path_factory.mktemp("exclude"))
    # A name of its own: with that of a module found elsewhere on sys.path the class has another name in messages.
    source = project.write("split_in_two.py", TWO_DELEGATES)
    one = recipe(source=str(source))
    project.run(export.step(one), quantize.step(one, "tosa-u55"))
    return project


def places(project: Project) -> list[tuple[str, str | None]]:
    """Node and reason of each operator that computes on the CPU; its place and advice are checked."""
    report = project.json("build/r/tosa-u55/partition.json")
    compute = [one for one in report["operators"] if one["class"] == "compute"]
    assert all((one["reason"] is None) == (one["place"] == "NPU") for one in compute)
    assert all(one["advice"] is None for one in compute if EXCLUDED in str(one["reason"]))
    return [(one["node"].removeprefix("aten_"), one["reason"]) for one in compute if one["place"] == "CPU"]


def test_an_exclusion_survives_the_command_line() -> None:
    """Without any nothing is on it."""
    step = lower.step(excluding(Exclude(module_name="a.b"), Exclude(operator="aten.add.Tensor")), "tosa-u55")

    words = [step.argv[at + 1] for at, word in enumerate(step.argv) if word == "--exclude"]
    assert [Exclude.parse(word) for word in words] == [Exclude(module_name="a.b"), Exclude(operator="aten.add.Tensor")]
    assert "--exclude" not in lower.step(recipe(), "tosa-u55").argv


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (Exclude(module_name="second"), [("upsample_nearest2d_vec", UPSAMPLE), ("convolution_default_1", EXCLUDED)]),
        (
            Exclude(node="aten_convolution_default_1"),
            [("upsample_nearest2d_vec", UPSAMPLE), ("convolution_default_1", EXCLUDED)],
        ),
        (
            Exclude(operator="relu"),
            [
                ("convolution_default", f"{EXCLUDED}, with aten_relu_default: they are quantised as one"),
                ("relu_default", EXCLUDED),
                ("upsample_nearest2d_vec", UPSAMPLE),
            ],
        ),
        (
            Exclude(module_type="Conv2d"),
            [
                ("convolution_default", EXCLUDED),
                ("relu_default", f"{EXCLUDED}, with aten_convolution_default: they are quantised as one"),
                ("upsample_nearest2d_vec", UPSAMPLE),
                ("convolution_default_1", EXCLUDED),
            ],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Exclude) else "",
)
def test_what_is_excluded_stays_on_the_cpu(
    made: Project, exclude: Exclude, expected: list[tuple[str, str | None]]
) -> None:
    """By module, node, operator and type; what is quantised together stays together."""
    made.run(lower.step(excluding(exclude), "tosa-u55"))

    assert places(made) == expected


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("exclude", "names"),
    [
        (Exclude(operator="conv2d"), "aten.convolution.default, aten.relu.default, aten.upsample_nearest2d.vec"),
        (Exclude(module_name="third"), "first, second, up"),
        (
            Exclude(module_type="Linear"),
            "split_in_two.Split, torch.nn.modules.conv.Conv2d, torch.nn.modules.upsampling.Upsample",
        ),
        (
            Exclude(node="relu"),
            "aten_convolution_default, aten_relu_default, aten_upsample_nearest2d_vec, aten_convolution_default_1",
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Exclude) else "",
)
def test_an_exclusion_that_matches_nothing_lists_the_names(made: Project, exclude: Exclude, names: str) -> None:
    """Those of its kind that are in the program."""
    with pytest.raises(StepError) as caught:
        made.run(lower.step(excluding(exclude), "tosa-u55"))

    assert str(caught.value) == (
        f"partition.exclude: {exclude.kind}: got {exclude.match}, which matches nothing in the program, "
        f"wanted one of {names}"
    )


@pytest.mark.e2e
def test_a_program_with_exclusions_is_exact_on_the_host(tmp_path: Path) -> None:
    """A delegate, and a convolution on the CPU in its place, with its weights in integers."""
    project, one = Project(tmp_path), excluding(Exclude(module_name="first"))
    project.write("model.py", TWO_DELEGATES)
    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"), run.step(one, U55))

    report = project.json("build/r/ethos-u55-128/run.json")
    assert (report["vectors"], report["bit_exact"]) == (4, 4)
    assert len(project.json("build/r/ethos-u55-128/manifest.json")["delegates"]) == 1
