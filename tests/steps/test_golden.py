"""Step golden: the expected outputs, the report, and the limits that fail a build."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import ADD, CONV, CPU, U55, U85, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data, Golden, Quantize
from etbuild.steps import export, golden, lower, quantize

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

POOL = """
    import torch

    ModelUnderTest = torch.nn.AvgPool2d(2)
    ModelInputs = (torch.randn(1, 8, 16, 16, generator=torch.Generator().manual_seed(0)),)
"""


def test_a_step_names_what_it_reads_and_writes() -> None:
    """Limits are options; the vectors are an input."""
    one = replace(recipe(), vectors=Data(Path("data/v.npz"), 16), golden=Golden(1, atol=0.5, accuracy=0.9))

    step = golden.step(one, "tosa-u55")

    assert step.argv[10:] == (
        *("--vectors", "data/v.npz", "--vectors-samples", "16", "--lsb", "1", "--atol", "0.5", "--accuracy", "0.9"),
        *("--output", "build/r/tosa-u55/golden.npz", "--report", "build/r/tosa-u55/golden.json"),
    )
    assert step.inputs[-1] == "data/v.npz"


@pytest.mark.e2e
def test_the_npz_contains_inputs_outputs_and_every_delegate(split: Project) -> None:
    """[vectors, ...] each; of the reference, the quantised program and the float model."""
    import numpy as np

    with np.load(split.root / "build/r/tosa-u55/golden.npz") as arrays:
        found = {name: (arrays[name].shape, str(arrays[name].dtype)) for name in arrays.files}

    assert found == {
        "input_0": ((4, 1, 2, 4, 4), "float32"),
        "output_0": ((4, 1, 2, 10, 10), "float32"),
        "quantized_0": ((4, 1, 2, 10, 10), "float32"),
        "float_0": ((4, 1, 2, 10, 10), "float32"),
        "delegate_0_input_0": ((4, 1, 2, 4, 4), "int8"),
        "delegate_0_output_0": ((4, 1, 4, 4, 4), "int8"),
        "delegate_1_input_0": ((4, 1, 4, 12, 12), "int8"),
        "delegate_1_output_0": ((4, 1, 2, 10, 10), "int8"),
    }


@pytest.mark.e2e
def test_the_report_has_the_error_between_the_versions_of_the_model(small: Project) -> None:
    """For each output in LSB and against the float model; for each delegate the calls."""
    report = small.json("build/r/tosa-u55/golden.json")

    (output,) = report["outputs"]
    assert report["vectors"] == 4
    assert output["lsb"]["max"] <= 1
    assert output["reference_to_float"]["sqnr_db"] > 25
    assert report["delegates"] == [{"delegate": 0, "calls": 4}]
    assert report["accuracy"] is None


@pytest.mark.e2e
def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    """golden.npz and golden.json."""
    outputs = []
    for name in ("here", "there"):
        project = Project(tmp_path / name)
        project.write("model.py", CONV)
        one = recipe(lsb=1)
        project.run(export.step(one), quantize.step(one, "tosa-u55"), lower.step(one, "tosa-u55"))
        project.run(golden.step(one, "tosa-u55"))
        outputs.append([(project.root / f"build/r/tosa-u55/golden.{end}").read_bytes() for end in ("npz", "json")])

    assert outputs[0] == outputs[1]


def built(project: Project, one: Recipe, source: str, profile: str = "tosa-u55") -> None:
    project.write("model.py", source)
    project.run(export.step(one), quantize.step(one, profile), lower.step(one, profile), golden.step(one, profile))


@pytest.mark.e2e
def test_different_integers_fail_with_the_element(small: Project, tmp_path: Path) -> None:
    """A quantised program with other scales simulates a compiler bug."""
    import shutil

    other = Project(tmp_path / "other")
    shutil.copytree(small.root, other.root)
    other.run(quantize.step(replace(recipe(), quantize=Quantize(per_channel=False)), "tosa-u55"))

    with pytest.raises(StepError) as caught:
        other.run(golden.step(recipe(), "tosa-u55"))

    message = str(caught.value)
    assert message.startswith("output 0: vector ")
    assert ": the TOSA reference model gives " in message
    assert re.search(
        r": got an error of (\d+) LSB \(1 LSB is 0\.\d+\), wanted at most 0 \(golden\.lsb\)\n"
        r"    golden: \{lsb: \1\} accepts it; without lsb it is only reported$",
        message,
    )


@pytest.mark.e2e
def test_a_difference_of_pytorchs_simulation_is_reported_and_not_fatal(project: Project) -> None:
    """An average pool of two by two: half of an LSB is rounded to even by PyTorch, up by TOSA."""
    built(project, recipe(lsb=None), POOL)

    (output,) = project.json("build/r/tosa-u55/golden.json")["outputs"]
    assert output["lsb"]["max"] >= 1
    assert set(output["lsb"]["largest_at"]) == {"vector", "element"}


@pytest.mark.e2e
def test_a_missed_tolerance_fails_with_the_element(project: Project) -> None:
    """The error against the float model, in its unit."""
    with pytest.raises(
        StepError,
        match=r"^output 0: vector \d+, element \[.*, wanted within atol 1e-09 and rtol 0 \(golden\)\n"
        r"    golden: \{atol: [\d.e-]+\} accepts it; more calibration data may reduce it$",
    ):
        built(project, recipe(golden=Golden(1, atol=1e-9)), CONV)


@pytest.mark.e2e
def test_a_missed_accuracy_fails_with_all_three_accuracies(project: Project) -> None:
    """With labels that the model cannot answer."""
    import numpy as np

    labels = np.array([5, 6])
    np.savez(project.root / "v.npz", input_0=np.zeros((2, 1, 2, 4, 4), np.float32), labels=labels)
    one = recipe(vectors=Data(Path("v.npz")), golden=Golden(1, accuracy=0.95))

    with pytest.raises(StepError) as caught:
        built(project, one, CONV)

    assert str(caught.value) == (
        "golden.accuracy: got 0.00% on the delegate (0.00% quantised, 0.00% float), wanted at least 95.00%\n"
        "    golden: {accuracy: 0.0} accepts it; more calibration data may raise it"
    )
    assert project.json("build/r/tosa-u55/golden.json")["accuracy"] == {
        "float": 0.0,
        "quantized": 0.0,
        "reference": 0.0,
    }


@pytest.mark.e2e
def test_two_inputs_reach_the_delegate_in_order(project: Project) -> None:
    """x + y with different ranges."""
    import numpy as np

    built(project, recipe(lsb=1), ADD)

    with np.load(project.root / "build/r/tosa-u55/golden.npz") as arrays:
        assert abs(arrays["output_0"] - arrays["input_0"] - arrays["input_1"]).max() < 0.05


@pytest.mark.e2e
def test_activations_of_16_bits_have_a_reference(project: Project) -> None:
    """int16x8 on the U85, where PyTorch's simulation may differ by one LSB."""
    built(project, recipe(U85, lsb=1, quantize=Quantize(scheme="int16x8")), CONV, "tosa-u85")

    assert project.json("build/r/tosa-u85/golden.json")["outputs"][0]["reference_to_float"]["sqnr_db"] > 40


@pytest.mark.e2e
def test_cpu_operators_agree_with_executorchs_runtime(project: Project) -> None:
    """The interpreter against ExecuTorch's, on a program without delegates: views, slices, a copy, a softmax."""
    import numpy as np
    import torch
    from executorch.runtime import Runtime

    body = "torch.softmax(self.conv(x)[:, 1:], 1).repeat(1, 2, 1, 1)[:, :4]"
    project.write("model.py", CONV.replace("torch.relu(self.conv(x))", body))
    one = recipe(CPU, quantize=Quantize(scheme="none"))
    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"))
    method = Runtime.get().load_program(str(project.root / "build/r/cpu/model.pte")).load_method("forward")
    with np.load(project.root / "build/r/cpu/golden.npz") as arrays:
        inputs, outputs = arrays["input_0"], arrays["output_0"]

    assert method is not None
    for given, wanted in zip(inputs, outputs, strict=True):
        (got,) = method.execute([torch.from_numpy(given)])
        assert np.allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-5)


def test_the_step_belongs_to_a_profile() -> None:
    """All NPUs of a profile share the expected outputs."""
    assert golden.step(recipe(), U55.profile).name == "golden:r@tosa-u55"
