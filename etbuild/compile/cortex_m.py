"""ExecuTorch's Cortex-M backend: integers from end to end on the CPU. It plans memory and runs nothing.

Its operators are `cortex_m::...`; their kernels are in etbuild/runtime/kernels.
source: executorch/backends/arm/scripts/aot_arm_compiler.py; tests/e2e/test_cortex_m_targets.py compares the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etbuild.hardware.target import CPU_PROFILES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etbuild.compile.inputs import Inputs
    from etbuild.compile.partition import PartitionRecord

IN_FLOAT = "in floating point: ExecuTorch's Cortex-M backend has no integer form of it here"


def is_cortex_m(profile: str) -> bool:
    """Whether programs of this profile are for that backend."""
    return profile in CPU_PROFILES.values()


def channels_last(values: Sequence[Any]) -> tuple[Any, ...]:
    """Tensors, those of four dimensions in channels-last memory, as the backend wants them."""
    import torch

    last = torch.channels_last
    return tuple(one.to(memory_format=last) if torch.is_tensor(one) and one.dim() == 4 else one for one in values)


def channels_last_module(module: Any, example: Inputs, strict: bool) -> Any:
    """The module of an exported program traced again, its weights and inputs in channels-last memory.

    example: its leaves from `channels_last`.
    """
    import torch

    from etbuild.compile import patches
    from etbuild.compile.retracing import graphs_as_they_are

    module = module.to(memory_format=torch.channels_last)
    for node in module.graph.nodes:
        # A view of channels-last memory may not exist: what the model wrote as flatten or reshape was a view before.
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
    module.recompile()
    with patches.export_without_guards(), graphs_as_they_are():
        traced = torch.export.export(module, example.arguments, example.keywords, strict=strict)
        return traced.module(check_guards=False)


def make_quantizer() -> Any:
    """ExecuTorch's quantiser for the backend: int8, weights of convolutions per channel, others per tensor."""
    from executorch.backends.cortex_m.quantizer.quantizer import CortexMQuantizer

    return CortexMQuantizer()


def edge_config() -> Any:
    """Which operators stay whole for `transform`."""
    from executorch.backends.cortex_m.edge_compile_config import cortex_m_edge_compile_config

    return cortex_m_edge_compile_config()


def transform(edge: Any, profile: str, record: PartitionRecord) -> Any:
    """The edge program with the backend's operators instead of quantised ATen ones, in place; `record` gets the result.

    The buffers of its kernels are planned with the backend's own functions, for CMSIS-NN on the profile's processors.
    """
    run_passes(edge, next(cpu for cpu, lowered_for in CPU_PROFILES.items() if lowered_for == profile))
    graph_module = edge.exported_program().graph_module
    floating = {node: IN_FLOAT for node in graph_module.graph.nodes if _computes_floats(node)}
    record.add(graph_module, floating, None)
    return edge


def run_passes(edge: Any, cpu: str, rewrite: Callable[[Any, Any], object] | None = None) -> None:
    """ExecuTorch's passes for the backend on an edge program, in place; they plan buffers for this processor.

    rewrite: instead of the passes before the last one, which puts the backend's operators in the place of quantised
             ones: changes the graph of an ExportedProgram.
    """
    from executorch.backends.cortex_m.passes.aten_to_cortex_m_pass import AtenToCortexMPass
    from executorch.backends.cortex_m.passes.cortex_m_pass_manager import CortexMPassManager
    from executorch.backends.cortex_m.target_config import CortexMTargetConfig
    from executorch.exir.pass_base import ExportPass, PassResult

    class Rewrite(ExportPass):  # type: ignore[misc]  # ExecuTorch's classes are untyped
        def __init__(self, exported_program: Any):
            super().__init__()
            self._program = exported_program

        def call(self, graph_module: Any) -> Any:
            if rewrite:
                rewrite(graph_module.graph, self._program)
            graph_module.graph.eliminate_dead_code()
            graph_module.recompile()
            return PassResult(graph_module, True)

    passes = [Rewrite, AtenToCortexMPass] if rewrite else None
    manager = CortexMPassManager(edge.exported_program(), passes, CortexMTargetConfig.from_target_string(cpu))
    edge._edge_programs["forward"] = manager.transform()


def _computes_floats(node: Any) -> bool:
    """Whether an operator computes in floating point, other than on the border of the model."""
    import torch

    if node.op != "call_function" or "quantize_per_" in str(node.target):
        return False
    values = node.meta.get("val")
    values = values if isinstance(values, (tuple, list)) else [values]
    return any(torch.is_tensor(one) and one.dtype.is_floating_point for one in values)
