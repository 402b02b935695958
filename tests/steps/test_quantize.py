"""Step quantize: schemes, rules, calibration, and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import ADD, CONV, U85, Project, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data, Quantize, Rule
from etbuild.steps import export, quantize

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def test_a_step_names_what_it_reads_and_writes() -> None:
    """Calibration data is an input; profile and scheme are options."""
    settings = Quantize(calibration=Data(Path("data/c.npz"), 64), rules=(Rule(operator="conv2d", scheme="none"),))

    step = quantize.step(replace(recipe(), quantize=settings), "tosa-u55")

    assert step.name == "quantize:r@tosa-u55"
    assert step.argv == (
        *("--program", "build/r/export/exported.pt2", "--profile", "tosa-u55", "--scheme", "int8"),
        *("--calibration", "data/c.npz", "--calibration-samples", "64", "--rule", "operator:conv2d:none"),
        *("--output", "build/r/tosa-u55/quantized.pt2", "--report", "build/r/tosa-u55/quantization.json"),
    )
    assert step.inputs == ("build/r/export/exported.pt2", "data/c.npz")


def quantized(project: Project, settings: Quantize, source: str = CONV, profile: str = "tosa-u55") -> Recipe:
    project.write("model.py", source)
    one = replace(recipe(), quantize=settings)
    project.run(export.step(one), quantize.step(one, profile))
    return one


def schemes(project: Project, profile: str = "tosa-u55") -> dict[str, str]:
    return {one["name"]: one["dtype"] for one in project.json(f"build/r/{profile}/quantization.json")["tensors"]}


@pytest.mark.e2e
def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    """In any folder, at any time; else no later step would ever be up to date."""
    outputs = []
    for name in ("here", "there"):
        project = Project(tmp_path / name)
        quantized(project, Quantize())
        outputs.append(
            [
                (project.root / f"build/r/tosa-u55/{file}").read_bytes()
                for file in ("quantized.pt2", "quantization.json")
            ]
        )

    assert outputs[0] == outputs[1]


@pytest.mark.e2e
def test_every_tensor_is_in_the_report(small: Project) -> None:
    """Weights per channel, biases of 32 bits, activations per tensor with the line in the model."""
    tensors = {one["name"]: one for one in small.json("build/r/tosa-u55/quantization.json")["tensors"]}

    assert {name: (one["kind"], one["scheme"], one["dtype"]) for name, one in tensors.items()} == {
        "x": ("input", "per_tensor", "int8"),
        "conv2d.weight": ("weight", "per_channel", "int8"),
        "conv2d.bias": ("bias", "per_channel", "int32"),
        "relu": ("activation", "per_tensor", "int8"),
        "flatten": ("activation", "per_tensor", "int8"),
        "linear.weight": ("weight", "per_channel", "int8"),
        "linear.bias": ("bias", "per_channel", "int32"),
        "linear": ("activation", "per_tensor", "int8"),
    }
    assert len(tensors["conv2d.weight"]["scale"]) == 4
    assert tensors["relu"]["line"] == "model.py:10"


@pytest.mark.e2e
def test_weights_are_quantised_per_tensor_on_request(project: Project) -> None:
    """per_channel: false gives one scale for each tensor."""
    quantized(project, Quantize(per_channel=False))

    tensors = project.json("build/r/tosa-u55/quantization.json")["tensors"]
    assert {one["scheme"] for one in tensors} == {"per_tensor"}


@pytest.mark.e2e
def test_activations_of_16_bits_have_weights_of_8(project: Project) -> None:
    """scheme: int16x8."""
    quantized(project, Quantize(scheme="int16x8"), profile="tosa-u85")

    found = schemes(project, "tosa-u85")
    assert (found["x"], found["conv2d.weight"], found["linear"]) == ("int16", "int8", "int16")


@pytest.mark.e2e
def test_scheme_none_leaves_the_program_as_it_is(project: Project) -> None:
    """The bytes are those of the exported program."""
    quantized(project, Quantize(scheme="none"))

    exported, output = (project.root / f"build/r/{path}" for path in ("export/exported.pt2", "tosa-u55/quantized.pt2"))
    assert exported.read_bytes() == output.read_bytes()


@pytest.mark.e2e
@pytest.mark.parametrize(
    "rule",
    [
        Rule(module_name="conv", scheme="none"),
        pytest.param(Rule(module_type="Conv2d", scheme="none"), marks=pytest.mark.slow),
        Rule(module_type="torch.nn.modules.conv.Conv2d", scheme="none"),
        pytest.param(Rule(operator="conv2d", scheme="none"), marks=pytest.mark.slow),
        pytest.param(Rule(operator="aten.conv2d.default", scheme="none"), marks=pytest.mark.slow),
    ],
    ids=lambda rule: f"{rule.kind} {rule.match}",
)
def test_a_rule_leaves_what_it_names_in_floating_point(project: Project, rule: Rule) -> None:
    """By module name, module type with or without its package, operator with or without its overload."""
    quantized(project, Quantize(rules=(rule,)))

    found = schemes(project)
    assert "conv2d.weight" not in found
    assert found["linear.weight"] == "int8"


@pytest.mark.e2e
def test_the_first_matching_rule_counts(project: Project) -> None:
    """The linear layer is of 16 bits by name, although the second rule would leave it in floating point."""
    rules = (Rule(module_name="fc", scheme="int16x8"), Rule(module_type="Linear", scheme="none"))

    quantized(project, Quantize(rules=rules), profile=U85.profile)

    assert schemes(project, U85.profile)["linear"] == "int16"


@pytest.mark.e2e
def test_a_rule_that_matches_nothing_is_an_error(project: Project) -> None:
    """A misspelt name would go unnoticed; the message lists the valid names."""
    with pytest.raises(StepError) as caught:
        quantized(project, Quantize(rules=(Rule(module_name="cnov", scheme="none"),)))

    assert str(caught.value) == (
        "quantize.rules: module_name: got cnov, which matches nothing in the model, wanted one of conv, fc"
    )


@pytest.mark.e2e
def test_calibration_sets_the_scale(project: Project) -> None:
    """The input's scale covers the range of the samples."""
    import numpy as np

    (project.root / "data").mkdir()
    np.savez(
        project.root / "data/c.npz",
        input_0=np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16),
        input_1=np.linspace(-8, 8, 32, dtype=np.float32).reshape(2, 16),
    )

    quantized(project, Quantize(calibration=Data(Path("data/c.npz"))), ADD)

    scales = {one["name"]: one["scale"] for one in project.json("build/r/tosa-u55/quantization.json")["tensors"]}
    assert scales["x"] == pytest.approx(2 / 255, rel=0.02)
    assert scales["y"] == pytest.approx(16 / 255, rel=0.02)


@pytest.mark.e2e
def test_the_report_carries_the_digests_of_its_inputs(project: Project) -> None:
    """The manifest collects them."""
    quantized(project, Quantize())

    assert list(project.json("build/r/tosa-u55/quantization.json")["digests"]) == ["build/r/export/exported.pt2"]
