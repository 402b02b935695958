"""Step quantize: a8w4, mixed schemes, observers, and models that are quantised already."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from project import CONV, U55, U85, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Calibration, Quantize, Rule
from etbuild.recipe.model_sections import Model
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import export, golden, quantize, run

if TYPE_CHECKING:
    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e

TRANSPOSED = """
    import torch

    class Up(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.up = torch.nn.ConvTranspose2d(2, 3, 2, stride=2)

        def forward(self, x):
            return self.up(x)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Up()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""
# A module that torchao has quantised, as a user's own script does it.
QUANTIZED = f"""{CONV}
        from executorch.backends.arm.ethosu import EthosUCompileSpec
        from executorch.backends.arm.quantizer import EthosUQuantizer, {{config}}
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_{{kind}}pt2e

        quantizer = EthosUQuantizer(EthosUCompileSpec("ethos-u55-128")).set_global({{config}}({{given}}))
        prepared = prepare_{{kind}}pt2e(torch.export.export(ModelUnderTest.eval(), ModelInputs).module(), quantizer)
        prepared(*ModelInputs)
        ModelUnderTest = convert_pt2e(prepared)
"""
INT8, INT16 = "get_symmetric_quantization_config", "get_symmetric_a16w8_quantization_config"


def quantized(project: Project, settings: Quantize, source: str = CONV, profile: str = "tosa-u55") -> Recipe:
    project.write("model.py", source)
    one = replace(recipe(), quantize=settings)
    project.run(export.step(one), quantize.step(one, profile))
    return one


def tensors(project: Project, profile: str = "tosa-u55") -> dict[str, Any]:
    return {one["name"]: one for one in project.json(f"build/r/{profile}/quantization.json")["tensors"]}


def run_exact(project: Project, settings: Quantize, target: Target, source: str = CONV) -> None:
    """Build for one target and run on the host; step run fails unless every vector is exact."""
    project.write("model.py", source)
    one = recipe(target, lsb=None, quantize=settings, run=Run(on="host"))
    project.run(*compile_steps(one, target), golden.step(one, target.profile), run.step(one, target))
    report = project.json(f"build/r/{target.variant}/run.json")
    assert (report["vectors"], report["bit_exact"]) == (report["vectors"], report["vectors"])
    assert project.json(f"build/r/{target.profile}/partition.json")["npu_share"] == 1


FOURS = Quantize(rules=(Rule(module_name="fc", scheme="a8w4"),))
SIXTEENS = Quantize(rules=(Rule(module_name="fc", scheme="int16x8"),))
MOST_SIXTEENS = Quantize(scheme="int16x8", rules=(Rule(module_name="conv", scheme="int8"),))


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        pytest.param(FOURS, U55, id="int8 with a8w4-u55"),
        pytest.param(MOST_SIXTEENS, U85, id="int16x8 with int8-u85"),
        pytest.param(FOURS, U85, marks=pytest.mark.slow, id="int8 with a8w4-u85"),
        pytest.param(MOST_SIXTEENS, U55, marks=pytest.mark.slow, id="int16x8 with int8-u55"),
        *(
            pytest.param(settings, target, marks=pytest.mark.slow, id=f"{name}-{target.npu}")
            for name, settings in {"a8w4": Quantize(scheme="a8w4"), "int8 with int16x8": SIXTEENS}.items()
            for target in (U55, U85)
        ),
    ],
)
def test_schemes_and_their_mixtures_run_exact(project: Project, settings: Quantize, target: Target) -> None:
    """All on the NPU, equal to the TOSA reference model."""
    run_exact(project, settings, target)


def test_a8w4_has_weights_of_4_bits(project: Project) -> None:
    """From -7 to 7, per channel, with activations of 8 bits; the rule leaves the convolution its 8."""
    quantized(project, Quantize(scheme="a8w4", rules=(Rule(module_name="conv", scheme="int8"),)))

    found = tensors(project)
    assert [found[name]["range"] for name in ("conv2d.weight", "linear.weight")] == [[-127, 127], [-7, 7]]
    assert (found["linear.weight"]["scheme"], found["linear"]["range"]) == ("per_channel", [-128, 127])


def test_a8w4_for_a_transposed_convolution_is_refused_with_the_rule_to_add(project: Project) -> None:
    """ExecuTorch's configuration fails there with two sizes that do not match; the rule helps."""
    with pytest.raises(StepError) as caught:
        quantized(project, Quantize(scheme="a8w4"), TRANSPOSED)

    assert str(caught.value) == (
        "model.py:9: quantize.scheme: got a8w4 for a transposed convolution, wanted another scheme for it\n"
        "    ExecuTorch has no weights of 4 bits per channel there; add the rule "
        "{operator: conv_transpose2d, scheme: int8}, or write per_channel: false"
    )
    quantized(project, Quantize(scheme="a8w4", rules=(Rule(operator="conv_transpose2d", scheme="int8"),)), TRANSPOSED)


def test_int16_that_an_npu_does_not_take_is_said_with_the_rule_that_helps(project: Project) -> None:
    """Vela's message for a transposed convolution on a U55; with the rule it is exact there."""
    project.write("model.py", TRANSPOSED)
    one = recipe(U55, lsb=None, quantize=Quantize(scheme="int16x8"))
    with pytest.raises(StepError) as caught:
        project.run(*compile_steps(one, U55))

    first, reason, remedy, _ = str(caught.value).splitlines()
    assert first == "build/r/tosa-u55/delegates/0.tosa: Vela: Non-passthrough operation (Conv2D) could not run on NPU"
    assert reason.endswith(": a transposed convolution of int16 cannot run on this NPU")
    assert remedy == "    a rule of quantize.rules that gives the layer's module another scheme avoids it"
    rule = Rule(operator="conv_transpose2d", scheme="int8")
    run_exact(project, Quantize(scheme="int16x8", rules=(rule,)), U55, TRANSPOSED)


# 1,000 values within -1..1, and one outlier of 100.
IDENTITY = """
    import torch

    class Clamp(torch.nn.Module):
        def forward(self, x):
            return torch.clamp(x, -200.0, 200.0)

    ModelUnderTest = Clamp()
    ModelInputs = (torch.zeros(1, 1001),)
"""


def input_range(project: Project, settings: Quantize) -> tuple[float, float]:
    """Of the model's input, which one sample with an outlier has calibrated."""
    values = np.append(np.linspace(-1, 1, 1000), 100).astype(np.float32)
    np.save(project.root / "x.npy", values.reshape(1, 1001))
    settings = replace(settings, calibration=Calibration(data=Path("x.npy")))
    quantized(project, settings, IDENTITY)
    one = tensors(project)["x"]
    low, high = one["range"]
    return tuple((end - one["zero_point"]) * one["scale"] for end in (low, high))  # type: ignore[return-value]


def test_minmax_takes_the_range_of_all_values(project: Project) -> None:
    """With the outlier, which the others are rounded away for."""
    low, high = input_range(project, Quantize(observer="minmax"))

    assert (low, high) == (pytest.approx(-1, abs=0.5), pytest.approx(100, abs=0.5))


def test_percentile_leaves_the_outermost_values_out(project: Project) -> None:
    """99 percent: from -0.98 to 0.98, but for the width of one of 16,384 bins."""
    low, high = input_range(project, Quantize(observer="percentile", percentile=99.0))

    assert (low, high) == (pytest.approx(-0.98, abs=0.02), pytest.approx(0.98, abs=0.02))


def test_a_percentile_of_100_is_the_range_of_all_values(project: Project) -> None:
    assert input_range(project, Quantize(observer="percentile", percentile=100.0))[1] == pytest.approx(100, abs=0.5)


def test_mse_keeps_an_outlier_that_is_worth_the_others_rounding(project: Project) -> None:
    """Clipping 100 to 1 costs 9,801; a step of 0.4 costs 1,000 values less than 0.04 each."""
    low, high = input_range(project, Quantize(observer="mse"))

    assert (low, high) == (pytest.approx(-1, abs=0.5), pytest.approx(100, abs=0.5))


def test_a_rule_has_an_observer_of_its_own(project: Project) -> None:
    """The linear layer's output has the range of all values, the input has not."""
    rule = Rule(module_name="fc", scheme="int8", observer="minmax")
    scales = {}
    for name, settings in {
        "percentile": Quantize(observer="percentile", percentile=80.0),
        "both": Quantize(observer="percentile", percentile=80.0, rules=(rule,)),
        "minmax": Quantize(observer="minmax"),
    }.items():
        quantized(project, settings)
        scales[name] = {one: tensors(project)[one]["scale"] for one in ("x", "linear")}

    assert scales["both"] == {"x": scales["percentile"]["x"], "linear": scales["minmax"]["linear"]}
    assert scales["percentile"]["linear"] < scales["minmax"]["linear"]


def test_the_histogram_is_the_default(project: Project) -> None:
    """Its bytes are those of a recipe that does not name it, and so is its command line."""
    quantized(project, Quantize())
    first = (project.root / "build/r/tosa-u55/quantized.pt2").read_bytes()

    one = quantized(project, Quantize(observer="histogram"))

    assert (project.root / "build/r/tosa-u55/quantized.pt2").read_bytes() == first
    assert "--observer" not in quantize.step(one, "tosa-u55").argv


def test_a_float_recipe_whose_rules_quantise_is_calibrated_with_its_data() -> None:
    """The data were left out of the step, and random samples took their place."""
    settings = Quantize(
        scheme="none", rules=(Rule(module_name="fc", scheme="int8"),), calibration=Calibration(data=Path("x.npy"))
    )

    assert "x.npy" in quantize.step(replace(recipe(), quantize=settings), "tosa-u55").inputs


# The others take the same way through the quantiser.
OBSERVERS = [*(pytest.param(name, marks=pytest.mark.slow) for name in ("minmax", "percentile")), "mse"]


@pytest.mark.parametrize("observer", OBSERVERS)
def test_inputs_and_outputs_of_unsigned_bytes_have_the_observer(project: Project, observer: str) -> None:
    """io: uint8."""
    quantized(project, Quantize(observer=observer, io="uint8"))

    assert tensors(project)["x"]["dtype"] == "uint8"


@pytest.mark.parametrize("observer", OBSERVERS)
def test_an_observer_gives_other_integers_that_run_exact(project: Project, observer: str) -> None:
    """With activations of 16 bits too."""
    run_exact(project, Quantize(scheme="int16x8", observer=observer), U85)


def test_a_rule_with_an_observer_is_one_argument() -> None:
    """And is read back; without an observer it is what it always was."""
    one = Rule(operator="clamp", scheme="int8", observer="percentile", percentile=99.5)
    plain = Rule(module_name="a.b", scheme="a8w4")

    assert (one.to_argument(), Rule.parse(one.to_argument())) == ("operator:clamp:int8,percentile,99.5", one)
    assert (plain.to_argument(), Rule.parse(plain.to_argument())) == ("module_name:a.b:a8w4", plain)


# --- models that are quantised already


def of_program(project: Project, settings: Quantize, first: Quantize | None = None) -> Recipe:
    """A recipe of the .pt2 that a first one has quantised."""
    quantized(project, first or Quantize())
    shutil.copy(project.root / "build/r/tosa-u55/quantized.pt2", project.root / "q.pt2")
    return recipe(lsb=None, model=Model(program=Path("q.pt2")), quantize=settings, run=Run(on="host"))


def test_a_quantised_program_is_passed_on_unchanged(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """It was quantised again, which ended in a TypeError: attribute name must be string, not 'OpOverload'."""
    one = of_program(project, Quantize())

    project.run(export.step(one), quantize.step(one, "tosa-u55"))

    folder = project.root / "build/r"
    assert (folder / "export/exported.pt2").read_bytes() == (folder / "tosa-u55/quantized.pt2").read_bytes()
    report = project.json("build/r/tosa-u55/quantization.json")
    assert (report["scheme"], report["already_quantized"]) == ("int8", True)
    assert "the model is quantised already, to int8: it is taken as it is\n" in capsys.readouterr().out
    assert {one["kind"] for one in report["tensors"]} == {"input", "weight", "bias", "activation"}


def test_a_quantised_program_gives_the_pte_of_the_recipe_that_quantised_it(project: Project) -> None:
    """And runs exact on the host."""
    first = recipe()
    project.write("model.py", CONV)
    project.run(*compile_steps(first, U55))
    pte = project.root / "build/r/ethos-u55-128/model.pte"
    wanted = pte.read_bytes()
    one = of_program(project, Quantize())

    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"), run.step(one, U55))

    assert pte.read_bytes() == wanted


@pytest.mark.parametrize(
    ("kind", "config", "given", "scheme"),
    [
        ("", INT8, "", "int8"),
        ("qat_", INT8, "is_qat=True", "int8"),
        pytest.param("", INT16, "", "int16x8", marks=pytest.mark.slow),
    ],
    ids=["calibrated", "trained", "int16"],
)
def test_a_quantised_module_is_accepted(project: Project, kind: str, config: str, given: str, scheme: str) -> None:
    """Also one that torchao refuses to put into evaluation mode."""
    quantized(project, Quantize(scheme=scheme), QUANTIZED.format(kind=kind, config=config, given=given))

    assert project.json("build/r/tosa-u55/quantization.json")["scheme"] == scheme


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            Quantize(scheme="int16x8"),
            "quantize.scheme: got int16x8 for a model that is quantised already, to int8, wanted int8\n"
            "    write scheme: int8, or name the model before its quantisation",
        ),
        pytest.param(
            Quantize(rules=(Rule(operator="linear", scheme="none"),)),
            "quantize.rules: got rules for a model that is quantised already, to int8, wanted none\n"
            "    delete the key: a quantised model is taken as it is; or name the model before its quantisation",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Quantize(observer="mse"),
            "quantize.observer: got observer for a model that is quantised already, to int8, wanted none\n"
            "    delete the key: a quantised model is taken as it is; or name the model before its quantisation",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["scheme", "rules", "observer"],
)
def test_what_would_quantise_a_quantised_model_again_is_refused(
    project: Project, settings: Quantize, message: str
) -> None:
    """With the key, and what the model is quantised to."""
    one = of_program(project, settings)
    project.run(export.step(one))

    with pytest.raises(StepError) as caught:
        project.run(quantize.step(one, "tosa-u55"))

    assert str(caught.value) == f"build/r/export/exported.pt2: {message}"


def test_the_scheme_of_a_quantised_model_may_be_none(project: Project) -> None:
    """It says that nothing is quantised here; the report has the model's scheme."""
    one = of_program(project, Quantize(scheme="none"))

    project.run(export.step(one), quantize.step(one, "tosa-u55"))

    assert project.json("build/r/tosa-u55/quantization.json")["scheme"] == "int8"
