"""Step golden: the reference, what stands beside it, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from project import ADD, CONV, CPU, U55, U85, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data, Golden, Quantize
from etbuild.recipe.recipe import Recipe
from etbuild.steps import export, golden, lower, quantize
from etbuild.verify.compare import accuracy, against_float, from_grid, steps_apart, to_grid, worst

GRID = {"dtype": "int8", "scale": 0.5, "zero_point": 10, "range": [-128, 127]}


def test_a_step_names_what_it_reads_and_writes() -> None:
    """Limits are options, the vectors an input."""
    one = replace(recipe(), vectors=Data(Path("data/v.npz"), 16), golden=Golden(1, atol=0.5, accuracy=0.9))

    step = golden.step(one, "tosa-u55")

    assert step.argv[10:] == (
        *("--vectors", "data/v.npz", "--vectors-samples", "16", "--lsb", "1", "--atol", "0.5", "--accuracy", "0.9"),
        *("--output", "build/r/tosa-u55/golden.npz", "--report", "build/r/tosa-u55/golden.json"),
    )
    assert step.inputs[-1] == Path("data/v.npz")


@pytest.mark.e2e
def test_values_survive_the_grid_and_clamp_at_its_ends() -> None:
    """To the nearest step, ties to even; beyond the range to its ends."""
    import numpy as np

    steps = to_grid(np.array([0.0, 0.24, 0.26, 0.75, 1e6, -1e6], np.float32), GRID)

    assert steps.tolist() == [10, 10, 11, 12, 127, -128]
    assert from_grid(steps, GRID).tolist() == [0.0, 0.0, 0.5, 1.0, 58.5, -69.0]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("got", "grid", "apart"),
    [
        ([1.0, 2.5], GRID, [0, 1]),
        ([1.0, 2.00001], None, [0, 0]),
        ([1.0, 2.001], None, [0, 49]),
    ],
)
def test_outputs_are_compared_in_steps_of_their_grid(got: list[float], grid: Any, apart: list[int]) -> None:
    """Without a grid a step is rounding of the largest value."""
    import numpy as np

    found = steps_apart(np.array([got], np.float32), np.array([[1.0, 2.0]], np.float32), grid)

    assert found.tolist() == [apart]


@pytest.mark.e2e
def test_the_worst_element_is_named_by_vector_and_position() -> None:
    """The first of the largest."""
    import numpy as np

    got, wanted = np.array([[[1, 2]], [[3, 9]]]), np.array([[[1, 2]], [[4, 4]]])

    found = worst(np.abs(got - wanted), got, wanted)

    assert found is not None
    assert (found.vector, found.element, found.got, found.wanted, found.difference) == (1, (0, 1), 9, 4, 5)


@pytest.mark.e2e
def test_errors_against_the_float_model_are_in_its_unit() -> None:
    """A tenth of noise on a signal of one is 20 dB."""
    import numpy as np

    assert against_float(np.array([1.1, -0.9]), np.array([1.0, -1.0])) == {
        "max_abs": pytest.approx(0.1),
        "mean_abs": pytest.approx(0.1),
        "sqnr_db": pytest.approx(20.0),
    }


@pytest.mark.e2e
def test_accuracy_counts_the_largest_output() -> None:
    """Two of three right."""
    import numpy as np

    assert accuracy(np.array([[[0, 1]], [[1, 0]], [[1, 0]]]), [1, 0, 1]) == pytest.approx(2 / 3)


@pytest.mark.e2e
def test_the_npz_holds_inputs_outputs_and_every_delegate(split: Project) -> None:
    """[vectors, ...] each; the reference, the quantised program, the float model."""
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
def test_the_report_tells_how_far_versions_are_apart(small: Project) -> None:
    """Per output in steps and against the float model; per delegate its calls."""
    report = small.json("build/r/tosa-u55/golden.json")

    (output,) = report["outputs"]
    assert report["vectors"] == 4
    assert output["lsb"]["max"] <= 1
    assert output["reference_to_float"]["sqnr_db"] > 25
    assert report["delegates"] == [{"delegate": 0, "calls": 4}]
    assert report["accuracy"] is None


@pytest.mark.e2e
def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    """The vectors' file too."""
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
def test_integers_that_differ_fail_with_the_element(small: Project, tmp_path: Path) -> None:
    """A quantised program of other scales stands for a compiler's mistake."""
    import shutil

    other = Project(tmp_path / "other")
    shutil.copytree(small.root, other.root)
    other.run(quantize.step(replace(recipe(), quantize=Quantize(per_channel=False)), "tosa-u55"))

    with pytest.raises(StepError) as caught:
        other.run(golden.step(recipe(), "tosa-u55"))

    message = str(caught.value)
    assert message.startswith("output 0: vector ")
    assert ": the TOSA reference model gives " in message
    assert message.endswith(" apart, wanted at most 0 (golden.lsb)")


@pytest.mark.e2e
def test_a_missed_tolerance_fails_with_the_element(project: Project) -> None:
    """Against the float model, in its unit."""
    with pytest.raises(
        StepError, match=r"^output 0: vector \d+, element \[.*, wanted within atol 1e-09 and rtol 0 \(g"
    ):
        built(project, recipe(golden=Golden(1, atol=1e-9)), CONV)


@pytest.mark.e2e
def test_a_missed_accuracy_fails_with_all_three(project: Project) -> None:
    """Labels that no model could guess."""
    import numpy as np

    labels = np.array([5, 6])
    np.savez(project.root / "v.npz", input_0=np.zeros((2, 1, 2, 4, 4), np.float32), labels=labels)
    one = recipe(vectors=Data(Path("v.npz")), golden=Golden(1, accuracy=0.95))

    with pytest.raises(StepError) as caught:
        built(project, one, CONV)

    assert str(caught.value) == (
        "golden.accuracy: got 0.00% on the delegate (0.00% quantised, 0.00% float), wanted at least 95.00%"
    )
    assert project.json("build/r/tosa-u55/golden.json")["accuracy"] == {
        "float": 0.0,
        "quantized": 0.0,
        "reference": 0.0,
    }


@pytest.mark.e2e
def test_two_inputs_reach_the_delegate_in_order(project: Project) -> None:
    """x + y of different ranges."""
    import numpy as np

    built(project, recipe(lsb=1), ADD)

    with np.load(project.root / "build/r/tosa-u55/golden.npz") as arrays:
        assert abs(arrays["output_0"] - arrays["input_0"] - arrays["input_1"]).max() < 0.05


@pytest.mark.e2e
def test_activations_of_16_bits_have_a_reference(project: Project) -> None:
    """int16x8 on the U85; PyTorch's simulation may be one step off there."""
    built(project, recipe(U85, lsb=1, quantize=Quantize(scheme="int16x8")), CONV, "tosa-u85")

    assert project.json("build/r/tosa-u85/golden.json")["outputs"][0]["reference_to_float"]["sqnr_db"] > 40


@pytest.mark.e2e
def test_cpu_operators_agree_with_executorchs_runtime(project: Project) -> None:
    """The interpreter against ExecuTorch's own, on a program without delegates; views, slices, a copy, a softmax."""
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


def test_the_module_compiles_for_a_variant_and_a_profile() -> None:
    """golden belongs to the profile: all NPUs of a family share its answer."""
    assert golden.step(recipe(), U55.profile).name == "golden:r@tosa-u55"
