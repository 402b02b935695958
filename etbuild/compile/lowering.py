"""Partitions a quantised program and lowers it to one TOSA graph per delegate and the program that calls them.

It does not run Vela.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile import cortex_m, cortex_m_fallback, zero_points
from etbuild.compile.compiler_failure import explained
from etbuild.compile.delegate_states import Buffers, buffers_of
from etbuild.compile.loops import require_no_loop
from etbuild.compile.lowered import Lowered, placeholder_of
from etbuild.compile.partition import NO_NPU, PartitionRecord
from etbuild.compile.profiles import reference_spec
from etbuild.compile.states import require_states, states_of
from etbuild.errors import StepError
from etbuild.hardware.target import FALLBACK_PROCESSORS, fallback_of

if TYPE_CHECKING:
    from etbuild.compile.exclusions import Exclusions
    from etbuild.compile.passes import Passes


class Additions(NamedTuple):
    """What a recipe adds to ExecuTorch's flow. planning: a memory planning pass in place of its default."""

    passes: Passes | None = None
    exclusions: Exclusions | None = None
    planning: Any = None


class Lowering(NamedTuple):
    """The result of lowering.

    graphs:     the TOSA graph of each delegate, in order.
    partition:  where each operator runs, as partition.json has it.
    io_params:  quantisation parameters of the model's "inputs" and "outputs", null for floating point.
    executorch: ExecuTorch's program manager, for an ETRecord.
    sources:    by debug handle, the name of an operator in the quantised program.
    buffers:    the buffers that delegates write.
    """

    lowered: Lowered
    graphs: tuple[bytes, ...]
    partition: dict[str, Any]
    io_params: dict[str, Any]
    executorch: Any
    sources: dict[int, str]
    buffers: Buffers = {}  # noqa: RUF012  # a NamedTuple's default is not changed


def lower_program(program: Any, profile: str, io: str, name: Path, own: Additions | None = None) -> Lowering:
    """Lower a program for one profile.

    program: an ExportedProgram.
    io:      type of the model's inputs and outputs: float32, int8 or uint8.
    name:    of the program's file, for messages.
    raises:  StepError for any error that ExecuTorch raises.
    """
    from etbuild.compile import decomposing, pass_patches, patches, signature_patches

    own = own or Additions()
    record, graph_of_placeholder = PartitionRecord(profile, own.exclusions), dict[bytes, bytes]()
    with (
        explained(f"{name}: lowering for {profile}", program),
        patches.lazy_code_generation(),
        decomposing.fewer_decompositions(),
        pass_patches.cheaper_passes(),
        signature_patches.remembered_signatures(),
        without_vela(graph_of_placeholder),
    ):
        edge, io_params = lower(program, profile, io, record, own.passes)
        require_states(f"{name}: lowering for {profile}", program, edge.exported_program())
        require_no_loop(name, record.operators)
        written = buffers_of(edge.exported_program())
        last = own.passes.on_graphs("executorch", record) if own.passes else []
        executorch = emit(edge, own.planning, last)
    lowered = Lowered(executorch.executorch_program, executorch._emitter_output.mutable_data)
    delegate_data = lowered.program.backend_delegate_data
    placeholders = [bytes(delegate_data[one.processed.index].data) for one in lowered.delegates]
    record.assign_delegates(delegate_of_tag(edge.exported_program(), placeholders))
    graphs = tuple(graph_of_placeholder[one] for one in placeholders)
    buffers = {number: written[data] for number, data in enumerate(placeholders) if data in written}
    return Lowering(lowered, graphs, record.to_json(), io_params, executorch, record.sources, buffers)


def lower(
    program: Any, profile: str, io: str, record: PartitionRecord, passes: Passes | None = None
) -> tuple[Any, dict[str, Any]]:
    """The partitioned EdgeProgramManager, its quantize nodes replaced by Cortex-M's (with a Cortex-M profile all nodes
    that can be), and the quantisation parameters of the model's inputs and outputs (see Lowering.io_params).

    raises: StepError when inputs and outputs cannot have the type `io`.
    source: executorch/examples/arm/aot_arm_compiler.py; tests/e2e/test_byte_identity.py compares the bytes.
    """
    from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    quantised = any("quantized_decomposed" in str(node.target) for node in program.graph.nodes)
    on_cortex_m = cortex_m.is_cortex_m(profile)
    uses_cortex_m = on_cortex_m or bool(fallback_of(profile))
    on_npu = profile != "cpu" and not on_cortex_m
    edge = to_edge_transform_and_lower(
        program,
        transform_passes=(passes.at("edge") if passes else None) or None,
        partitioner=[record.partitioner(reference_spec(profile, quantised))] if on_npu else None,
        compile_config=cortex_m.edge_config() if on_cortex_m else EdgeCompileConfig(_check_ir_validity=False),
    )
    if profile == "cpu":
        record.add(edge.exported_program().graph_module, {}, NO_NPU)
    for one in passes.at("backend") if passes else ():
        edge = edge.transform([one])
        record.add_after_passes(edge.exported_program().graph_module)
    io_params = io_params_of(edge.exported_program())
    if io != "float32":
        edge = _integer_io(edge, io, io_params)
    if on_cortex_m:
        edge = cortex_m.transform(edge, profile, record)
    elif fallback := fallback_of(profile):
        edge = cortex_m_fallback.transform(edge, record, FALLBACK_PROCESSORS[fallback])
    zero_points.widen(edge)  # Of what is left: those that become integer kernels are not in the program.
    return (edge if uses_cortex_m else edge.transform([ReplaceQuantNodesPass()])), io_params


def emit(edge: Any, planning: Any = None, passes: Sequence[Any] = ()) -> Any:
    """The ExecutorchProgramManager, with the configuration of aot_arm_compiler. planning: as of Additions.

    passes: over the graph of each method, before its memory is planned.

    It also has what states begin with, zeros included: by itself ExecuTorch leaves that to what is in memory.
    """
    from executorch.exir import ExecutorchBackendConfig
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass

    programs = [edge.exported_program(method) for method in sorted(edge.methods)]
    names = [state.input for program in programs for state in states_of(program)]
    initial = [InitializedMutableBufferPass(names)] if names else []
    config = ExecutorchBackendConfig(passes=[*passes, *initial], extract_delegate_segments=False)
    if planning:
        config.memory_planning_pass = planning
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mutation on a buffer")  # that this value is not in the program
        return edge.to_executorch(config=config)


@contextmanager
def without_vela(graphs: dict[bytes, bytes]) -> Iterator[None]:
    """Inside this context a TOSA graph is stored in `graphs`, by its placeholder, instead of being compiled by Vela.

    Replaces executorch.backends.arm.ethosu.backend.vela_compile.
    """
    from executorch.backends.arm.arm_vela import VelaCompileResult
    from executorch.backends.arm.ethosu import backend

    def store(tosa_flatbuffer: bytes, *_: Any, **__: Any) -> Any:
        placeholder = placeholder_of(tosa_flatbuffer)
        graphs[placeholder] = tosa_flatbuffer
        return VelaCompileResult(placeholder)

    original = backend.vela_compile
    backend.vela_compile = store
    try:
        yield
    finally:
        backend.vela_compile = original


def io_params_of(program: Any) -> dict[str, Any]:
    """Quantisation parameters of the quantize nodes after the inputs and the dequantize nodes before the outputs."""
    from torch.export.graph_signature import InputKind

    nodes = {node.name: node for node in program.graph_module.graph.nodes}
    specs = program.graph_signature.input_specs
    inputs = [nodes[spec.arg.name] for spec in specs if spec.kind == InputKind.USER_INPUT]
    outputs = list(program.graph_module.graph.output_node().args[0])[-len(program.graph_signature.user_outputs) :]
    readers = [[user for user in node.users if "quantize_per_tensor" in str(user.target)] for node in inputs]
    return {
        "inputs": [_quant_params(found[0], ".quantize_per_tensor") if found else None for found in readers],
        "outputs": [_quant_params(node, ".dequantize_per_tensor") for node in outputs],
    }


def _quant_params(node: Any, operator: str) -> dict[str, Any] | None:
    """Of a quantize or dequantize node; None for a node of any other operator."""
    if operator not in str(getattr(node, "target", "")):
        return None
    _, scale, zero_point, low, high, dtype = node.args[:6]
    name = str(dtype).removeprefix("torch.")
    return {"dtype": name, "scale": float(scale), "zero_point": int(zero_point), "range": [low, high]}


def _integer_io(edge: Any, io: str, io_params: dict[str, Any]) -> Any:
    """The program without quantize nodes after its inputs and dequantize nodes before its outputs."""
    from executorch.exir.passes.quantize_io_pass import QuantizeInputs, QuantizeOutputs

    tensors = _tensor_ports(edge.exported_program())
    for side, column in io_params.items():
        for index in tensors[side]:
            params = column[index]
            if params is None or params["dtype"] != io:
                found = f"quantised as {params['dtype']}" if params else "in floating point"
                raise StepError(
                    f"quantize.io: got {io}, but {side.removesuffix('s')} {index} of the model is {found}\n"
                    "    use io: float32, or a scheme and rules that quantise it so"
                )
    config_methods = edge._config_methods
    edge = edge.transform([QuantizeInputs(edge, tensors["inputs"]), QuantizeOutputs(edge, tensors["outputs"])])
    # The passes add methods that return scales and zero points; the manifest has these, and each method needs memory.
    edge._config_methods = config_methods
    return edge


def _tensor_ports(program: Any) -> dict[str, list[int]]:
    """The numbers of the model's "inputs" and "outputs" that are tensors."""
    from torch.export.graph_signature import InputKind, OutputKind, TensorArgument

    signature = program.graph_signature
    inputs = [spec.arg for spec in signature.input_specs if spec.kind == InputKind.USER_INPUT]
    outputs = [spec.arg for spec in signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    return {
        side: [index for index, argument in enumerate(arguments) if isinstance(argument, TensorArgument)]
        for side, arguments in (("inputs", inputs), ("outputs", outputs))
    }


def delegate_of_tag(program: Any, placeholders: Sequence[bytes], first: int = 0) -> dict[str, int]:
    """The delegate's number for each partition tag; equal graphs are numbered in the order of the program.

    placeholders: of the program's delegates. first: the number of the first of them.
    """
    from executorch.exir.lowered_backend_module import get_lowered_backend_modules

    unassigned = list(enumerate(placeholders, first))
    numbers: dict[str, int] = {}
    for module in get_lowered_backend_modules(program.graph_module):
        tags = {node.meta.get("delegation_tag") for node in module.original_module.graph.nodes} - {None}
        delegate = next(one for one in unassigned if one[1] == module.processed_bytes)
        unassigned.remove(delegate)
        numbers |= dict.fromkeys(tags, delegate[0])
    return numbers
