"""What the messages of step golden say of the expected outputs, which not every target has from the same program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Golden
from etbuild.verify.golden import Outputs, check_limits

PARAMS = {"dtype": "int8", "scale": 0.5, "zero_point": 0, "range": [-128, 127]}
QUANTIZE = "cortex_m::quantize_per_tensor.out"


def report(delegates: int, operators: list[str]) -> dict[str, Any]:
    """golden.json, as far as its messages need it."""
    rows = [{"operator": name, "pytorch": None} for name in operators]
    accuracy = {"float": 1.0, "quantized": 0.5, "reference": 0.25}
    return {"delegates": [{}] * delegates, "cpu_operators": rows, "accuracy": accuracy}


def message(limits: Golden, found: dict[str, Any]) -> str:
    """Of an output that is wrong by two."""
    outputs = Outputs([np.array([[2]], np.int8)], [np.zeros((1, 1), np.float32)], [np.zeros((1, 1), np.float32)])
    with pytest.raises(StepError) as caught:
        check_limits(outputs, [PARAMS], limits, found)
    return str(caught.value)


@pytest.mark.parametrize(
    ("delegates", "operators", "who"),
    [
        (1, [], "the TOSA reference model gives"),
        (2, [QUANTIZE], "the TOSA reference model gives"),
        (
            1,
            [QUANTIZE, "cortex_m::quantized_add.out"],
            "the TOSA reference model with ExecuTorch's Cortex-M backend gives",
        ),
        (0, [QUANTIZE, "cortex_m::quantized_add.out"], "ExecuTorch's Cortex-M backend gives"),
        (0, ["aten::add.out"], "ExecuTorch's CPU kernels give"),
    ],
)
def test_a_message_names_who_computed_the_expected_outputs(delegates: int, operators: list[str], who: str) -> None:
    """A core without an NPU has no TOSA."""
    assert message(Golden(lsb=1), report(delegates, operators)) == (
        f"output 0: vector 0, element [0]: {who} 2, the quantised PyTorch program 0: got an error of 2 LSB "
        "(1 LSB is 0.5), wanted at most 1 (golden.lsb)\n"
        "    golden: {lsb: 2} accepts it; without lsb it is only reported"
    )


@pytest.mark.parametrize(("delegates", "where"), [(1, "delegate"), (0, "CPU")])
def test_a_missed_accuracy_says_where_it_was_computed(delegates: int, where: str) -> None:
    """On the CPU where there is no delegate."""
    assert message(Golden(accuracy=0.5), report(delegates, [])).startswith(
        f"golden.accuracy: got 25.00% on the {where} (50.00% quantised, 100.00% float), wanted at least 50.00%\n"
    )
