"""Inputs and outputs come with the quantisation parameters of their kernels."""

from __future__ import annotations

from pathlib import Path

from etbuild.pte.ports import Port, inputs, is_io_quantization, outputs
from etbuild.pte.reader import read

FILES = Path(__file__).parent / "files"


def test_a_float_input_has_the_parameters_of_its_quantize_kernel() -> None:
    """cortex_m::quantize_per_tensor's second and third argument."""
    method = read(FILES / "linear_u55.pte").methods[0]

    assert inputs(method) == (Port("float32", (1, 4), 16, 0.007839307188987732, 0, "int8"),)


def test_a_float_output_has_the_parameters_of_its_dequantize_kernel() -> None:
    """cortex_m::dequantize_per_tensor's second and third argument."""
    method = read(FILES / "linear_u55.pte").methods[0]

    assert outputs(method) == (Port("float32", (1, 3), 12, 0.005010758060961962, 85, "int8"),)


def test_a_model_on_the_cpu_has_no_quantisation() -> None:
    """Floats all the way."""
    method = read(FILES / "linear_cpu.pte").methods[0]

    assert (inputs(method), outputs(method)) == ((Port("float32", (1, 4), 16),), (Port("float32", (1, 3), 12),))


def test_only_kernels_at_an_input_or_output_are_io_quantization() -> None:
    """two_parts_u55.pte dequantises and quantises around its sort, which is neither input nor output."""
    method = read(FILES / "two_parts_u55.pte").methods[0]

    assert [is_io_quantization(method, call) for call in method.kernel_calls()] == [True, False, False, False, True]
