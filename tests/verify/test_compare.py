"""How far two outputs differ: in LSB, against the float model, and by accuracy."""

from __future__ import annotations

from typing import Any

import pytest

from etbuild.verify.compare import accuracy, against_float, dequantize, difference, lsb_error, quantize, remedy, worst

PARAMS = {"dtype": "int8", "scale": 0.5, "zero_point": 10, "range": [-128, 127]}

pytestmark = pytest.mark.e2e


def test_values_are_quantised_to_the_nearest_integer_and_clamped() -> None:
    """Ties to even; values beyond the range become its lowest or highest."""
    import numpy as np

    integers = quantize(np.array([0.0, 0.24, 0.26, 0.75, 1e6, -1e6], np.float32), PARAMS)

    assert integers.tolist() == [10, 10, 11, 12, 127, -128]
    assert dequantize(integers, PARAMS).tolist() == [0.0, 0.0, 0.5, 1.0, 58.5, -69.0]


@pytest.mark.parametrize(
    ("got", "params", "lsb"),
    [
        ([1.0, 2.5], PARAMS, [0, 1]),
        ([1.0, 2.00001], None, [0, 0]),
        ([1.0, 2.001], None, [0, 49]),
    ],
)
def test_outputs_are_compared_in_lsb(got: list[float], params: Any, lsb: list[int]) -> None:
    """Without quantisation parameters an LSB is the rounding of the largest value."""
    import numpy as np

    found = lsb_error(np.array([got], np.float32), np.array([[1.0, 2.0]], np.float32), params)

    assert found.tolist() == [lsb]


def test_the_worst_element_is_named_by_vector_and_position() -> None:
    """Of equal differences the first one."""
    import numpy as np

    got, wanted = np.array([[[1, 2]], [[3, 9]]]), np.array([[[1, 2]], [[4, 4]]])

    found = worst(np.abs(got - wanted), got, wanted)

    assert found is not None
    assert (found.vector, found.element, found.got, found.wanted, found.difference) == (1, (0, 1), 9, 4, 5)


def test_errors_against_the_float_model_have_its_unit() -> None:
    """Noise of 0.1 on a signal of 1 is 20 dB."""
    import numpy as np

    assert against_float(np.array([1.1, -0.9]), np.array([1.0, -1.0])) == {
        "max_abs": pytest.approx(0.1),
        "mean_abs": pytest.approx(0.1),
        "sqnr_db": pytest.approx(20.0),
    }


def test_accuracy_is_the_share_of_right_largest_outputs() -> None:
    """Two of three are right."""
    import numpy as np

    assert accuracy(np.array([[[0, 1]], [[1, 0]], [[1, 0]]]), [1, 0, 1]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("got", "wanted", "text"),
    [
        ([1.0, 2.5], [1.0, 2.0], "run: {tolerance: 0.25} accepts it"),
        (
            [1.0, 2.0001],
            [1.0, 2.0],
            "run: {tolerance: 5e-05} accepts it: floats that are added in another order differ in their last bits",
        ),
        ([1.0, 9.0], [1.0, 2.0], "no run.tolerance accepts it: the outputs have nothing in common, or are not numbers"),
        ([0.0, 1.0], [0.0, 0.0], "no run.tolerance accepts it: the outputs have nothing in common, or are not numbers"),
        ([1, 3], [1, 2], "integers have no tolerance: a float before them differs, so have its operator on the NPU"),
    ],
)
def test_the_remedy_names_a_tolerance_that_accepts(got: list[float], wanted: list[float], text: str) -> None:
    """Relative to the largest output; with two digits, rounded up."""
    import numpy as np

    arrays = [np.array(one, np.int8 if isinstance(one[0], int) else np.float32) for one in (got, wanted)]

    found = remedy(*arrays)

    assert found == text
    if found.startswith("run: "):
        assert difference(*arrays, float(found.split()[2].rstrip("}"))) == ""
