"""Inputs and outputs come with the quantisation that their boundary kernels carry."""

from __future__ import annotations

from pathlib import Path

from etbuild.pte.ports import Port, inputs, is_border, outputs
from etbuild.pte.reader import read

FILES = Path(__file__).parent / "files"


def test_a_float_input_has_the_grid_of_its_quantize_kernel() -> None:
    """cortex_m::quantize_per_tensor's second and third argument."""
    plan = read(FILES / "linear_u55.pte").plans[0]

    assert inputs(plan) == (Port("float32", (1, 4), 16, 0.007839307188987732, 0, "int8"),)


def test_a_float_output_has_the_grid_of_its_dequantize_kernel() -> None:
    """cortex_m::dequantize_per_tensor's second and third argument."""
    plan = read(FILES / "linear_u55.pte").plans[0]

    assert outputs(plan) == (Port("float32", (1, 3), 12, 0.005010758060961962, 85, "int8"),)


def test_a_model_on_the_cpu_has_no_grid() -> None:
    """Floats all the way."""
    plan = read(FILES / "linear_cpu.pte").plans[0]

    assert (inputs(plan), outputs(plan)) == ((Port("float32", (1, 4), 16),), (Port("float32", (1, 3), 12),))


def test_only_kernels_at_the_edge_are_border() -> None:
    """two_parts_u55.pte leaves the grid and comes back to it round its sort, which is no border."""
    plan = read(FILES / "two_parts_u55.pte").plans[0]

    assert [is_border(plan, call) for call in plan.kernel_calls()] == [True, False, False, False, True]
