"""Step sensitivity: what the quantisation of each layer costs at the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from badly_scaled import SOURCE
from project import CPU, U55, Project, compile_steps, recipe

from etbuild.recipe.data_sections import Calibration, Quantize, Vectors
from etbuild.recipe.runtime_sections import Run
from etbuild.recipe.weight_sections import WeightChange
from etbuild.report.sensitivity_table import sensitivity_table
from etbuild.steps import golden, run, sensitivity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e
FILE = "build/r/ethos-u55-128/sensitivity.json"


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("scaled"))
    made.write("model.py", SOURCE)
    data = Quantize(calibration=Calibration(samples=8, seed=3))
    own = recipe(lsb=1, vectors=Vectors(samples=8, seed=3), quantize=data)
    made.run(*compile_steps(own, U55), golden.step(own, "tosa-u55"), sensitivity.step(own, U55))
    return made


@pytest.fixture(scope="module")
def found(scaled: Project) -> Any:
    return scaled.json(FILE)


def test_a_badly_scaled_layer_is_the_worst(found: Any) -> None:
    """With most of the error, which is that of its value: 8 bits do not hold channels of such different ranges."""
    worst = found["layers"][0]

    assert (worst["name"], worst["share"] > 0.5) == ("second", True)
    assert worst["parts_db"]["value"] < worst["parts_db"]["weights"]


def test_the_errors_of_the_layers_add_up_to_that_of_all(found: Any) -> None:
    """Within 2 dB; the shares add up to 1."""
    assert abs(found["sqnr_db"] - found["sum_db"]) < 2
    assert abs(sum(one["share"] for one in found["layers"]) - 1) < 1e-4


def test_the_error_of_all_layers_is_that_of_the_executed_program(scaled: Project, found: Any) -> None:
    """Which golden states."""
    output = scaled.json("build/r/tosa-u55/golden.json")["outputs"][0]

    assert found["sqnr_db"] == round(output["reference_to_float"]["sqnr_db"], 3)


def test_every_layer_has_its_value_from_the_executed_program(found: Any) -> None:
    """And the modules that rules can name; a flatten, which stores nothing, is no layer."""
    assert [(one["modules"], one["seen"]) for one in sorted(found["layers"], key=lambda one: one["name"])] == [
        (["fc"], "executed"),
        (["first"], "executed"),
        ([], "executed"),
        (["second"], "executed"),
        (["third"], "executed"),
    ]
    assert found["not_measured"] == []


def test_the_table_has_the_worst_layer_first(found: Any) -> None:
    """And ends with the file."""
    lines = sensitivity_table(found).splitlines()

    assert lines[0].split() == ["r@ethos-u55-128", "SQNR", "alone", "share", "of", "weights", "of", "its", "value"]
    assert lines[1].startswith("second  conv2d relu")
    assert lines[-1] == f"all figures: {FILE}"


def test_equalised_weights_cure_it_and_the_npu_is_exact(scaled: Project, found: Any) -> None:
    """At least 15 dB at the output, by quantize.weights alone; the .pte's run on the host equals golden."""
    own = recipe(
        lsb=1,
        vectors=Vectors(samples=8, seed=3),
        quantize=Quantize(calibration=Calibration(samples=8, seed=3), weights=(WeightChange("equalise"),)),
        run=Run(on="host"),
    )
    scaled.run(*compile_steps(own, U55)[1:], golden.step(own, "tosa-u55"), run.step(own, U55))

    output = scaled.json("build/r/tosa-u55/golden.json")["outputs"][0]
    assert output["reference_to_float"]["sqnr_db"] > found["sqnr_db"] + 15
    assert scaled.json("build/r/ethos-u55-128/run.json")["bit_exact"] == 8
    assert scaled.json("build/r/tosa-u55/quantization.json")["weights"] == [
        {"change": "equalise", "layers": ["first->second", "second->third", "third->fc"]}
    ]


def test_without_an_npu_there_is_no_sensitivity() -> None:
    """It is about what an NPU computes."""
    assert sensitivity.step(recipe(), CPU) is None


def test_a_model_that_keeps_state_has_no_sensitivity(tmp_path: Path) -> None:
    """What one sample leaves would be a part of the next."""
    import torch

    from etbuild.errors import StepError
    from etbuild.tune.noise import require_no_state

    class Counter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen.add_(x)
            return self.seen + x

    program = torch.export.export(Counter(), (torch.ones(1),))

    with pytest.raises(StepError) as raised:
        require_no_state(program)

    assert str(raised.value) == (
        "sensitivity: got a model that keeps state in seen, wanted one without\n"
        "    doit layers shows the errors of its layers"
    )
