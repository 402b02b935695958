"""The ranges of values that are all above zero or below it, and nearly one constant, as of a pooled layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from etbuild.compile.observers import observer_class


@pytest.mark.parametrize("value", [0.00833, -0.00833, 0.0])
@pytest.mark.parametrize("name", ["minmax", "percentile", "mse"])
def test_a_range_has_zero_and_the_values_in_it(name: str, value: float) -> None:
    """In int8: the scale is that of the one value, and the integer of zero is among the 256."""
    more: dict[str, Any] = {"percentile": 99.99} if name == "percentile" else {}
    observer = observer_class(name)(
        dtype=torch.int8, quant_min=-128, quant_max=127, eps=2**-20, qscheme=torch.per_tensor_affine, **more
    )
    for part in (1.0, 0.99, 1.0):
        observer(torch.full((1, 8), value * part))

    scale, zero_point = (float(one) for one in observer.calculate_qparams())

    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    assert low <= min(value * 0.99, 0.0) + scale and high >= max(value * 0.99, 0.0) - scale
    assert scale <= max(abs(value) / 250, 2**-20)
