"""Quantises what torch.cond and while_loop call: torchao prepares and converts the bodies of loops, but neither their
conditions nor the branches of cond. Without them nothing here runs.

source: EthosUQuantizer._quantize_with_submodules of executorch/backends/arm/quantizer/arm_quantizer.py, which takes
        samples of positional tensors alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def prepare(module: Any, quantizer: Any) -> Any:
    """The module with observers, also in what it calls."""
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    prepared = prepare_pt2e(module, quantizer)
    for name, called in _called(prepared):
        prepared.set_submodule(name, prepare(called, quantizer), strict=True)
    return prepared


def convert(prepared: Any) -> Any:
    """The calibrated module with quantize and dequantize nodes, also in what it calls."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    called = [(name, convert(module)) for name, module in _called(prepared)]
    converted = convert_pt2e(prepared)
    for name, module in called:
        converted.set_submodule(name, module, strict=True)
    return converted


def _called(module: Any) -> Iterator[tuple[str, Any]]:
    """Name and module of each branch and condition that this module calls."""
    from executorch.backends.arm.quantizer.arm_quantizer import get_cond_while_submodules_ao

    found = get_cond_while_submodules_ao(module, apply_quantization=True)
    yield from {name: called for name, called, _ in found}.items()
