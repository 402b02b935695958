"""What a layer reads in the float model, where this does not have all layers of the quantised program."""

from __future__ import annotations

from typing import Any

from etbuild.tune.noise import _Programs, _Sample
from etbuild.verify.model_layers import ModelLayer


def test_a_part_that_the_float_model_does_not_have_is_passed_through() -> None:
    """A mean becomes a sum and a product: the product's own error is that behind the convolution, which the float model
    has, not that of all layers before."""
    params = {"dtype": "int8", "scale": 1.0, "zero_point": 0, "range": [-128, 127]}
    conv = ModelLayer("conv_q", "conv", ("conv",), params)
    added = ModelLayer("sum_q", "sum", ("sum",), params, ("conv_q",))
    product = ModelLayer("mul_q", "mul", ("mul",), params, ("sum_q",))
    nothing: Any = None
    layers = {one.value: one for one in (conv, added, product)}
    programs = _Programs(nothing, nothing, layers, {"conv": "conv2d", "mul": "mean"}, {})

    assert list(_Sample(programs, {}, {})._with_counterparts(product)) == [conv]
