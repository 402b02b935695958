"""The table of operators: no CPU operator of ExecuTorch lacks a kernel, and docs/operators.md says where each is."""

from __future__ import annotations

import pytest

from etbuild import RUNTIME
from etbuild.firmware import operators
from etbuild.firmware.select_sources import kernel_places

# The operators without a kernel, by list. Nothing else may be missing, and what has a kernel may not be listed.
MISSING: dict[str, set[str]] = {
    "kernels/portable/functions.yaml": set(),
    "kernels/quantized/quantized.yaml": {
        *(f"quantized_decomposed::{name}.out" for name in ("add", "mixed_mm", "mixed_linear")),
        *(f"quantized_decomposed::{name}.Tensor_out" for name in ("choose_qparams", "dequantize_per_tensor")),
        "quantized_decomposed::quantize_per_tensor.Tensor_out",
        *(f"quantized_decomposed::embedding_{n}.{o}out" for n in ("byte", "2bit", "4bit") for o in ("", "dtype_")),
        *(f"quantized_decomposed::{name}_per_token.out" for name in ("quantize", "dequantize")),
        "quantized_decomposed::choose_qparams_per_token_asymmetric.out",
    },
    "backends/cortex_m/ops/operators.yaml": {
        *(f"cortex_m::quantized_{name}.out" for name in ("add", "mul", "div", "activation", "linear", "batch_matmul")),
        *(f"cortex_m::{name}.out" for name in ("minimum", "maximum", "softmax", "transpose", "pad")),
        *(
            f"cortex_m::quantized_{name}{layout}.out"
            for name in ("conv2d", "depthwise_conv2d", "transpose_conv2d", "avg_pool2d", "max_pool2d")
            for layout in ("", "_nhwc")
        ),
    },
}


@pytest.mark.parametrize("name", operators.LISTS)
def test_every_operator_of_executorch_has_a_kernel(name: str) -> None:
    """But those that are listed here as missing."""
    found = operators.operators(operators.executorch_folder(), name)

    assert len(found) > 10
    assert {one.name for one in found if not one.kernel} == MISSING[name]


def test_every_kernel_of_the_table_is_in_its_file_once() -> None:
    """One operator, one kernel: the line ETB_KERNEL of a second would be a second definition, or would be ignored."""
    lines = [
        line.split('"')[1]
        for file in (RUNTIME / "kernels").glob("*.cc")
        for line in file.read_text().splitlines()
        if line.startswith("ETB_KERNEL(")
    ]

    assert sorted(lines) == sorted(kernel_places())


def test_the_page_of_operators_is_up_to_date() -> None:
    """docs/operators.md; `python -m etbuild.firmware.operators` writes it."""
    assert operators.PAGE.read_text(encoding="utf-8") == operators.page()
