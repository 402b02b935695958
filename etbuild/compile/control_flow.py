"""Quantises what torch.cond and while_loop call: torchao prepares and converts the bodies of loops, but neither their
conditions nor the branches of cond. Without them nothing here runs.

source: EthosUQuantizer._quantize_with_submodules of executorch/backends/arm/quantizer/arm_quantizer.py, which takes
        samples of positional tensors alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def prepare(module: Any, quantizer: Any, trains: bool = False) -> Any:
    """The module with observers, also in what it calls; with fake-quantisers if it is trained.

    Batch norms are folded into what is before them. For training, torchao would keep those of convolutions, with its
    own epsilon and momentum, without a quantised bias where the convolution had none; it knows no others.
    """
    from torchao.quantization.pt2e import quantize_pt2e

    if trains:
        quantize_pt2e._fuse_conv_bn_(module)
        quantize_pt2e._fuse_linear_bn_(module)
    prepare_module = quantize_pt2e.prepare_qat_pt2e if trains else quantize_pt2e.prepare_pt2e
    prepared = prepare_module(module, quantizer)
    for name, called, is_condition in _called(prepared):
        if is_condition:
            _flatten_result(called)
        prepared.set_submodule(name, prepare(called, quantizer, trains), strict=True)
    return prepared


def convert(prepared: Any) -> Any:
    """The calibrated module with quantize and dequantize nodes, also in what it calls."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

    called = [(name, convert(module)) for name, module, _ in _called(prepared)]
    converted = convert_pt2e(prepared)
    for name, module in called:
        converted.set_submodule(name, module, strict=True)
    return converted


def _called(module: Any) -> Iterator[tuple[str, Any, bool]]:
    """Of each branch and condition that this module calls: name, module, whether it is the condition of a loop."""
    import torch
    from executorch.backends.arm.quantizer.arm_quantizer import get_cond_while_submodules_ao

    loop = torch.ops.higher_order.while_loop
    found = get_cond_while_submodules_ao(module, apply_quantization=True)
    yield from {name: (name, called, node.target is loop) for name, called, node in found}.values()


def _flatten_result(condition: Any) -> None:
    """Make the result a tensor without dimensions, which while_loop wants.

    ExecuTorch's quantiser compares with a number as with a tensor of one element, and the result has its shape.
    """
    import torch

    output = condition.graph.output_node()
    (results,) = output.args
    result = results[0] if isinstance(results, (list, tuple)) else results
    if result.target == torch.ops.aten.squeeze.default:
        return
    with condition.graph.inserting_before(output):
        flat = condition.graph.call_function(torch.ops.aten.squeeze.default, (result,))
    flat.meta = dict(result.meta)
    output.replace_input_with(result, flat)
    condition.recompile()
