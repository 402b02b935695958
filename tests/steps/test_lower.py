"""Step lower: what goes to the NPU, what stays, why, and that bytes do not depend on the place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from project import CONV, CPU, U85, Project, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.output_sections import Pte
from etbuild.recipe.recipe import Recipe
from etbuild.steps import export, lower, quantize


def test_a_step_names_what_it_reads_and_writes() -> None:
    """The profile is the part; the record for developer tools comes on request."""
    step = lower.step(replace(recipe(), pte=Pte(etrecord=True)), "tosa-u55")

    assert step.name == "lower:r@tosa-u55"
    assert step.argv == (
        *("--program", "build/r/tosa-u55/quantized.pt2", "--profile", "tosa-u55"),
        *("--output", "build/r/tosa-u55/lowered.bin", "--delegates", "build/r/tosa-u55/delegates"),
        *("--report", "build/r/tosa-u55/partition.json", "--etrecord", "build/r/tosa-u55/model.etrecord"),
    )
    assert step.outputs == tuple(
        Path("build/r/tosa-u55") / name for name in ("lowered.bin", "delegates", "partition.json", "model.etrecord")
    )


def lowered(project: Project, one: Recipe, profile: str = "tosa-u55", source: str = CONV) -> None:
    project.write("model.py", source)
    project.run(export.step(one), quantize.step(one, profile), lower.step(one, profile))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.e2e
def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    """Program, graphs, report and the record for developer tools, in any folder."""
    one = replace(recipe(), pte=Pte(etrecord=True))
    outputs = []
    for name in ("here", "there"):
        project = Project(tmp_path / name)
        lowered(project, one)
        outputs.append(contents(project.root / "build/r/tosa-u55"))

    assert list(outputs[0]) == [
        "delegates/0.tosa",
        "lowered.bin",
        "model.etrecord",
        "partition.json",
        "quantization.json",
        "quantized.pt2",
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.e2e
def test_a_model_that_fits_is_one_delegate(small: Project) -> None:
    """Every operator that computes is on the NPU, and traced to its line."""
    report = small.json("build/r/tosa-u55/partition.json")

    compute = [
        (one["operator"], one["delegate"], one["line"]) for one in report["operators"] if one["class"] == "compute"
    ]
    assert compute == [
        ("convolution.default", 0, "model.py:10"),
        ("relu.default", 0, "model.py:10"),
        ("view_copy.default", 0, "model.py:10"),
        ("linear.default", 0, "model.py:10"),
    ]
    assert (report["compute"], report["compute_on_npu"], report["npu_share"]) == (4, 4, 1.0)


@pytest.mark.e2e
def test_an_operator_on_the_cpu_says_why_and_where(split: Project) -> None:
    """The reason is ExecuTorch's, the line the model's; the two delegates are told apart."""
    report = split.json("build/r/tosa-u55/partition.json")

    compute = [
        (one["operator"], one["place"], one["delegate"]) for one in report["operators"] if one["class"] == "compute"
    ]
    assert compute == [
        ("convolution.default", "NPU", 0),
        ("relu.default", "NPU", 0),
        ("upsample_nearest2d.vec", "CPU", None),
        ("convolution.default", "NPU", 1),
    ]
    (stayed,) = [one for one in report["operators"] if one["place"] == "CPU" and one["class"] == "compute"]
    assert stayed["reason"] == "U55 nearest-neighbor resize requires equal 2x, 4x, or 8x scale factors."
    assert stayed["line"] == "model.py:12"


@pytest.mark.e2e
def test_what_converts_at_the_border_is_no_fallback(split: Project) -> None:
    """Quantise and dequantise on the CPU are a class of their own."""
    report = split.json("build/r/tosa-u55/partition.json")

    border = [one for one in report["operators"] if one["place"] == "CPU" and one["class"] == "quantize"]
    assert len(border) == 4
    assert {one["reason"] for one in border} == {"on the border between floating point and the NPU's integers"}


@pytest.mark.e2e
def test_the_border_is_told_even_where_it_is_in_integers(tmp_path: Path) -> None:
    """io: int8 takes the conversions away; the grids are the same as with floating point."""
    borders = []
    for io in ("float32", "int8"):
        project = Project(tmp_path / io)
        lowered(project, replace(recipe(), quantize=Quantize(io=io)))
        borders.append(project.json("build/r/tosa-u55/partition.json")["border"])

    assert borders[0] == borders[1]
    assert borders[0]["inputs"][0]["dtype"] == "int8"


@pytest.mark.e2e
def test_integers_at_the_border_of_another_width_are_refused(project: Project) -> None:
    """A model of 16-bit activations has no 8-bit border."""
    with pytest.raises(StepError) as caught:
        lowered(project, replace(recipe(), quantize=Quantize(scheme="int16x8", io="int8")), "tosa-u85")

    assert str(caught.value) == (
        "quantize.io: got int8, but input 0 of the model is quantised as int16\n"
        "    use io: float32, or a scheme and rules that quantise it so"
    )


@pytest.mark.e2e
def test_without_an_npu_all_is_on_the_cpu(project: Project) -> None:
    """Profile cpu: no delegate, and a reason that says so."""
    lowered(project, recipe(CPU), "cpu")

    report = project.json("build/r/cpu/partition.json")
    assert report["compute_on_npu"] == 0
    assert {one["reason"] for one in report["operators"]} == {"the target has no NPU"}
    assert list((project.root / "build/r/cpu/delegates").iterdir()) == []


@pytest.mark.e2e
def test_a_graph_that_is_lowered_again_leaves_none_of_the_old(project: Project) -> None:
    """The folder of graphs holds those of this run alone."""
    stale = project.root / "build/r/tosa-u85/delegates/7.tosa"
    stale.parent.mkdir(parents=True)
    stale.touch()

    lowered(project, recipe(U85), "tosa-u85")

    assert [file.name for file in stale.parent.iterdir()] == ["0.tosa"]
