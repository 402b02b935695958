"""Widens constant zero points per channel to int64, the only type that ExecuTorch's kernels read.

PyTorch quantises biases with int32 zero points. `dequantize_per_channel.out` of ExecuTorch accepts them, and reads
eight bytes for each. It changes no zero point that is computed at run time.
"""

from __future__ import annotations

from typing import Any

_OPERATORS = ("quantized_decomposed.quantize_per_channel", "quantized_decomposed.dequantize_per_channel")


def widen(edge: Any) -> None:
    """Widen the zero points of all nodes per channel outside of delegates; in place.

    edge: an EdgeProgramManager. Nodes that call control flow are looked into.
    """
    for method in sorted(edge.methods):
        program = edge.exported_program(method)
        targets = _inputs_to_constants(program)
        for module in program.graph_module.modules():
            if hasattr(module, "graph"):
                _widen_module(module, program, targets if module is program.graph_module else {})


def _inputs_to_constants(program: Any) -> dict[str, str]:
    """By the name of an input of the graph: the name of the buffer or constant that it stands for."""
    signature = program.graph_signature
    return {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }


def _widen_module(module: Any, program: Any, targets: dict[str, str]) -> None:
    import torch

    for node in module.graph.nodes:
        if not any(name in str(node.target) for name in _OPERATORS):
            continue
        zeros = node.args[2]
        value = zeros.meta.get("val") if zeros is not None else None
        if value is None or value.dtype == torch.int64:
            continue
        name = targets.get(zeros.name, "")
        for table in (program.state_dict, program.constants):
            if name in table:
                table[name] = table[name].to(torch.int64)
                zeros.meta["val"] = value.to(torch.int64)
        if zeros.op == "get_attr":
            setattr(module, zeros.target, getattr(module, zeros.target).to(torch.int64))
            zeros.meta["val"] = value.to(torch.int64)
