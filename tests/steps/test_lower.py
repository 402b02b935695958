"""Step lower: which operators run on the NPU, which do not and why, and that equal inputs give equal bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import CONV, CPU, U85, Project, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.output_sections import Pte
from etbuild.steps import export, lower, quantize

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def test_a_step_names_what_it_reads_and_writes() -> None:
    """The profile is the part; ExecuTorch's ETRecord is an output on request."""
    step = lower.step(replace(recipe(), pte=Pte(etrecord=True)), "tosa-u55")

    assert step.name == "lower:r@tosa-u55"
    assert step.argv == (
        *("--program", "build/r/tosa-u55/quantized.pt2", "--profile", "tosa-u55"),
        *("--output", "build/r/tosa-u55/lowered.bin", "--delegates", "build/r/tosa-u55/delegates"),
        *("--report", "build/r/tosa-u55/partition.json", "--etrecord", "build/r/tosa-u55/model.etrecord"),
        *("--nodes", "build/r/tosa-u55/operators.json"),
    )
    assert step.outputs == tuple(
        f"build/r/tosa-u55/{name}"
        for name in ("lowered.bin", "delegates", "partition.json", "model.etrecord", "operators.json")
    )


def lowered(project: Project, one: Recipe, profile: str = "tosa-u55", source: str = CONV) -> None:
    project.write("model.py", source)
    project.run(export.step(one), quantize.step(one, profile), lower.step(one, profile))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.e2e
def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    """Program, graphs, report and ETRecord, in any folder."""
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
        "operators.json",
        "partition.json",
        "quantization.json",
        "quantized.pt2",
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.e2e
def test_a_model_that_fits_is_one_delegate(small: Project) -> None:
    """Every operator that computes is on the NPU and has its source line."""
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
def test_an_operator_names_the_nodes_that_it_reads(small: Project) -> None:
    """Weights and the model's inputs too; the graph of the report is made from them."""
    report = small.json("build/r/tosa-u55/partition.json")

    inputs = {one["node"]: one["inputs"] for one in report["operators"]}
    (relu,) = [one["node"] for one in report["operators"] if one["operator"] == "relu.default"]
    (convolution,) = [one["node"] for one in report["operators"] if one["operator"] == "convolution.default"]
    assert inputs[relu] == [convolution]
    assert [name in inputs for name in inputs[convolution]] == [True, True, True]
    assert inputs["quantized_decomposed_quantize_per_tensor_default"] == ["x"]


@pytest.mark.e2e
def test_an_operator_has_the_text_of_its_line(small: Project) -> None:
    """As it was when the model was traced: nothing after export reads the model's source."""
    report = small.json("build/r/tosa-u55/partition.json")

    (relu,) = [one for one in report["operators"] if one["operator"] == "relu.default"]
    file, _, number = relu["line"].rpartition(":")
    assert relu["text"] == (small.root / file).read_text().splitlines()[int(number) - 1].strip()


@pytest.mark.e2e
def test_an_operator_on_the_cpu_has_its_reason_and_line(split: Project) -> None:
    """The reason is ExecuTorch's, the line the model's; the two delegates are numbered."""
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
    assert stayed["module"] == "up"
    assert stayed["advice"].startswith("factors 2, 4 or 8, equal in height and width, run on the NPU, and for other ")


@pytest.mark.e2e
def test_conversions_at_model_inputs_and_outputs_are_no_fallback(split: Project) -> None:
    """Quantise and dequantise operators on the CPU have their own class."""
    report = split.json("build/r/tosa-u55/partition.json")

    conversions = [one for one in report["operators"] if one["place"] == "CPU" and one["class"] == "quantize"]
    assert len(conversions) == 4
    assert {one["reason"] for one in conversions} == {"on the border between floating point and the NPU's integers"}


@pytest.mark.e2e
def test_quantisation_parameters_are_reported_for_integer_inputs_and_outputs_too(tmp_path: Path) -> None:
    """io: int8 removes the conversions; the parameters are the same as with floating point."""
    params = []
    for io in ("float32", "int8"):
        project = Project(tmp_path / io)
        lowered(project, replace(recipe(), quantize=Quantize(io=io)))
        params.append(project.json("build/r/tosa-u55/partition.json")["border"])

    assert params[0] == params[1]
    assert params[0]["inputs"][0]["dtype"] == "int8"


@pytest.mark.e2e
def test_io_integers_of_another_width_are_an_error(project: Project) -> None:
    """A model with 16-bit activations has no 8-bit inputs."""
    with pytest.raises(StepError) as caught:
        lowered(project, replace(recipe(), quantize=Quantize(scheme="int16x8", io="int8")), "tosa-u85")

    assert str(caught.value) == (
        "quantize.io: got int8, but input 0 of the model is quantised as int16\n"
        "    use io: float32, or a scheme and rules that quantise it so"
    )


@pytest.mark.e2e
def test_without_an_npu_everything_is_on_the_cpu(project: Project) -> None:
    """Profile cpu: no delegate; the reason names the missing NPU."""
    lowered(project, recipe(CPU), "cpu")

    report = project.json("build/r/cpu/partition.json")
    assert report["compute_on_npu"] == 0
    assert {one["reason"] for one in report["operators"]} == {"the target has no NPU"}
    assert list((project.root / "build/r/cpu/delegates").iterdir()) == []


@pytest.mark.e2e
def test_lowering_again_removes_old_graphs(project: Project) -> None:
    """The folder contains only the graphs of this run."""
    stale = project.root / "build/r/tosa-u85/delegates/7.tosa"
    stale.parent.mkdir(parents=True)
    stale.touch()

    lowered(project, recipe(U85), "tosa-u85")

    assert [file.name for file in stale.parent.iterdir()] == ["0.tosa"]


SEQUENTIAL = """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Sequential(nn.Upsample(scale_factor=3)))
        ModelInputs = (torch.randn(1, 2, 6, 6),)
"""


@pytest.mark.e2e
def test_the_partition_names_the_module_of_an_operator_also_in_a_bare_sequential(project: Project) -> None:
    """Its path in the model, with the indices of nn.Sequential; such a model has no line of its own."""
    lowered(project, recipe(), source=SEQUENTIAL)

    report = project.json("build/r/tosa-u55/partition.json")
    compute = [one for one in report["operators"] if one["class"] == "compute"]
    assert [(one["operator"], one["module"]) for one in compute] == [
        ("convolution.default", "0"),
        ("relu.default", "1"),
        ("upsample_nearest2d.vec", "2.0"),
    ]


FROM_INPUTS = """
    import torch

    class Filter(torch.nn.Module):
        def forward(self, x, weight):
            return torch.nn.functional.conv2d(x, weight)

    ModelUnderTest = Filter()
    ModelInputs = (torch.ones(1, 4, 4, 4), torch.ones(4, 4, 1, 1))
"""
HALF = """
    import torch

    class Add(torch.nn.Module):
        def forward(self, x, y):
            return x + y

    ModelUnderTest = Add()
    ModelInputs = (torch.ones(1, 4, 4, 1, dtype=torch.bfloat16), torch.ones(1, 4, 4, 1, dtype=torch.bfloat16))
"""


@pytest.mark.e2e
def test_a_pass_that_fails_is_named_with_its_cause_and_the_models_line(project: Project) -> None:
    """ExecuTorch's message names an adapter, and every pass before it; a convolution's weights must be constant."""
    with pytest.raises(StepError) as caught:
        lowered(project, recipe(), source=FROM_INPUTS)

    assert str(caught.value) == (
        "build/r/tosa-u55/quantized.pt2: lowering for tosa-u55: "
        "got RuntimeError: unsupported param type, placeholder.\n"
        "    in pass RewriteConvPass, node aten_convolution_default (aten.convolution.default) of model.py:5"
    )


@pytest.mark.e2e
def test_a_model_in_half_floats_is_told_what_to_do(project: Project) -> None:
    """ExecuTorch's replacement of quantize nodes fails: the kernels have no such type. Its example `sdpa` is one."""
    with pytest.raises(StepError) as caught:
        lowered(project, recipe(), source=HALF)

    first, *lines = str(caught.value).splitlines()
    assert "got RuntimeError: cortex_m::dequantize_per_tensor() expected at most 6 argument(s)" in first
    assert lines[0].startswith("    in pass ReplaceQuantNodesPass, node quantized_decomposed_dequantize_per_tensor")
    assert lines[1:] == [
        "    the model computes in bfloat16; an NPU and its CPU kernels take float32",
        "    use model.float() and inputs of torch.float32",
    ]
