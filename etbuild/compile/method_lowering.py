"""Lowers the programs of several methods together to one program; delegates are numbered through it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile import zero_points
from etbuild.compile.compiler_failure import explained
from etbuild.compile.delegate_states import Buffers, buffers_of
from etbuild.compile.loops import require_no_loop
from etbuild.compile.lowered import Lowered
from etbuild.compile.lowering import Lowering, delegate_of_tag, emit, io_params_of, without_vela
from etbuild.compile.methods import file_of
from etbuild.compile.partition import NO_NPU, PartitionRecord
from etbuild.compile.profiles import reference_spec
from etbuild.compile.states import require_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etbuild.compile.lowering import Additions


def lower_methods(programs: Mapping[str, Any], profile: str, folder: Path, own: Additions) -> Lowering:
    """As `lowering.lower_program`, for an ExportedProgram by the name of each method.

    Each operator of partition has its method; io_params have a pair "inputs" and "outputs" by method.
    folder: of the programs, for messages.
    """
    from etbuild.compile import decomposing, pass_patches, patches

    what, graph_of_placeholder = f"{folder}: lowering for {profile}", dict[bytes, bytes]()
    records = {name: PartitionRecord(profile) for name in programs}
    with (
        explained(what, next(iter(programs.values()))),
        patches.lazy_code_generation(),
        decomposing.fewer_decompositions(),
        pass_patches.cheaper_passes(),
        without_vela(graph_of_placeholder),
    ):
        edge, io_params = _lower(programs, profile, records, own)
        written = {name: buffers_of(edge.exported_program(name)) for name in programs}
        for name, program in programs.items():
            require_states(f"{what}: method {name}", program, edge.exported_program(name))
            require_no_loop(file_of(folder, name), records[name].operators)
        executorch = emit(edge, own.planning)
    lowered = Lowered(executorch.executorch_program, executorch._emitter_output.mutable_data)
    delegate_data = lowered.program.backend_delegate_data
    placeholders = [bytes(delegate_data[one.processed.index].data) for one in lowered.delegates]
    buffers: Buffers = {}
    for name, method in lowered.methods.items():
        numbers = method.own_delegates
        own_placeholders = [placeholders[number] for number in numbers]
        tags = delegate_of_tag(edge.exported_program(name), own_placeholders, numbers.start)
        records[name].assign_delegates(tags)
        own_buffers = written[name]
        buffers |= {one: own_buffers[placeholders[one]] for one in numbers if placeholders[one] in own_buffers}
    graphs = tuple(graph_of_placeholder[one] for one in placeholders)
    partition = _partition({name: records[name] for name in lowered.methods})
    return Lowering(lowered, graphs, partition, io_params, executorch, {}, buffers)


def _lower(
    programs: Mapping[str, Any], profile: str, records: Mapping[str, PartitionRecord], own: Additions
) -> tuple[Any, dict[str, Any]]:
    """As `lowering.lower`."""
    from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    nodes = [node for program in programs.values() for node in program.graph.nodes]
    quantised = any("quantized_decomposed" in str(node.target) for node in nodes)
    on_npu = profile != "cpu"
    edge = to_edge_transform_and_lower(
        dict(programs),
        transform_passes=(own.passes.at("edge") if own.passes else None) or None,
        partitioner={name: [record.partitioner(reference_spec(profile, quantised))] for name, record in records.items()}
        if on_npu
        else None,
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    for name, record in records.items():
        if not on_npu:
            record.add(edge.exported_program(name).graph_module, {}, NO_NPU)
    for one in own.passes.at("backend") if own.passes else ():
        edge = edge.transform([one])
        for name, record in records.items():
            record.add_after_passes(edge.exported_program(name).graph_module)
    io_params = {name: io_params_of(edge.exported_program(name)) for name in programs}
    zero_points.widen(edge)
    return edge.transform([ReplaceQuantNodesPass()]), io_params


def _partition(records: Mapping[str, PartitionRecord]) -> dict[str, Any]:
    """partition.json of all methods together."""
    found = {name: record.to_json() for name, record in records.items()}
    compute, on_npu = (sum(one[key] for one in found.values()) for key in ("compute", "compute_on_npu"))
    return {
        "operators": [{"method": name, **operator} for name, one in found.items() for operator in one["operators"]],
        "compute": compute,
        "compute_on_npu": on_npu,
        "npu_share": on_npu / compute if compute else 0.0,
    }
