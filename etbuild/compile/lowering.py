"""A quantised program partitioned and lowered to TOSA: one graph a delegate, and the program around them. No Vela runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from etbuild.compile.exported_program import make_portable
from etbuild.compile.lowered import Lowered, mark_of
from etbuild.compile.partition import NO_NPU, PartitionRecord
from etbuild.compile.profiles import reference_spec
from etbuild.errors import EtbuildError, StepError


class Lowering(NamedTuple):
    """What comes out. graphs: the TOSA graph of each delegate, in order. partition: where each operator runs.

    io_params:  quantisation parameters of the model's inputs and outputs.
    edge, executorch: ExecuTorch's program managers, for an ETRecord.
    """

    lowered: Lowered
    graphs: tuple[bytes, ...]
    partition: dict[str, Any]
    io_params: dict[str, Any]
    edge: Any
    executorch: Any


def lower_program(program: Any, profile: str, io: str, name: Path) -> Lowering:
    """Lower for one profile.

    io:     type of the model's inputs and outputs.
    name:   of the program's file, for messages.
    raises: StepError for whatever ExecuTorch raises.
    """
    from etbuild.compile import patches

    record, graph_of_mark = PartitionRecord(), dict[bytes, bytes]()
    try:
        with patches.code_on_demand(), patches.decompositions_that_change(), _without_vela(graph_of_mark):
            edge, border = lower(program, profile, io, record)
            executorch = emit(edge)
    except EtbuildError:
        raise
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise StepError(f"{name}: lowering for {profile}: got {type(error).__name__}: {first_line}") from error
    lowered = Lowered(executorch.executorch_program, executorch._emitter_output.mutable_data)
    marks = [bytes(lowered.program.backend_delegate_data[one.processed.index].data) for one in lowered.delegates]
    record.number(_delegate_of_tag(edge, marks))
    graphs = tuple(graph_of_mark[mark] for mark in marks)
    return Lowering(lowered, graphs, record.to_json(), border, edge, executorch)


def lower(program: Any, profile: str, io: str, record: PartitionRecord) -> tuple[Any, dict[str, Any]]:
    """The EdgeProgramManager, as ExecuTorch's aot_arm_compiler makes it: partitioned, quantize nodes for Cortex-M.

    Beside it the integer grids at the model's border, null where an input or output has none.
    """
    from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    quantised = any("quantized_decomposed" in str(node.target) for node in program.graph.nodes)
    spec = reference_spec(profile, quantised)
    edge = to_edge_transform_and_lower(
        program,
        partitioner=None if profile == "cpu" else [record.partitioner(spec)],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    if profile == "cpu":
        record.take(edge.exported_program().graph_module, {}, NO_NPU)
    border = _border(edge.exported_program())
    if io != "float32":
        edge = _integer_border(edge, io, border)
    return edge.transform([ReplaceQuantNodesPass()]), border


def emit(edge: Any) -> Any:
    """The ExecutorchProgramManager, configured as aot_arm_compiler does."""
    from executorch.exir import ExecutorchBackendConfig

    return edge.to_executorch(config=ExecutorchBackendConfig(extract_delegate_segments=False))


@contextmanager
def _without_vela(graphs: dict[bytes, bytes]) -> Iterator[None]:
    """While it lasts, a TOSA graph that is meant for Vela goes to `graphs`, and its mark takes its stream's place."""
    from executorch.backends.arm.arm_vela import VelaCompileResult
    from executorch.backends.arm.ethosu import backend

    def keep(tosa_flatbuffer: bytes, *_: Any, **__: Any) -> Any:
        mark = mark_of(tosa_flatbuffer)
        graphs[mark] = tosa_flatbuffer
        return VelaCompileResult(mark)

    own = backend.vela_compile
    backend.vela_compile = keep
    try:
        yield
    finally:
        backend.vela_compile = own


def _border(program: Any) -> dict[str, Any]:
    """The grids that inputs are brought to and outputs come from."""
    nodes = {node.name: node for node in program.graph_module.graph.nodes}
    inputs = [nodes[name] for name in program.graph_signature.user_inputs]
    outputs = list(program.graph_module.graph.output_node().args[0])[-len(program.graph_signature.user_outputs) :]
    readers = [[user for user in node.users if "quantize_per_tensor" in str(user.target)] for node in inputs]
    return {
        "inputs": [_grid(found[0], ".quantize_per_tensor") if found else None for found in readers],
        "outputs": [_grid(node, ".dequantize_per_tensor") for node in outputs],
    }


def _grid(node: Any, operator: str) -> dict[str, Any] | None:
    if operator not in str(getattr(node, "target", "")):
        return None
    _, scale, zero_point, low, high, dtype = node.args[:6]
    name = str(dtype).removeprefix("torch.")
    return {"dtype": name, "scale": float(scale), "zero_point": int(zero_point), "range": [low, high]}


def _integer_border(edge: Any, io: str, border: dict[str, Any]) -> Any:
    """The same without quantize nodes behind the inputs and dequantize nodes before the outputs."""
    from executorch.exir.passes.quantize_io_pass import QuantizeInputs, QuantizeOutputs

    for side, grids in border.items():
        for index, grid in enumerate(grids):
            if grid is None or grid["dtype"] != io:
                found = f"quantised as {grid['dtype']}" if grid else "in floating point"
                raise StepError(
                    f"quantize.io: got {io}, but {side.removesuffix('s')} {index} of the model is {found}\n"
                    "    use io: float32, or a scheme and rules that quantise it so"
                )
    numbers = [list(range(len(grids))) for grids in border.values()]
    constants = edge._config_methods
    edge = edge.transform([QuantizeInputs(edge, numbers[0]), QuantizeOutputs(edge, numbers[1])])
    # The passes add methods that return scales and zero points; the manifest has them, and a method costs code.
    edge._config_methods = constants
    return edge


def _delegate_of_tag(edge: Any, marks: Sequence[bytes]) -> dict[str, int]:
    """The number of each partition's delegate; of equal graphs the first in the program is the first delegate."""
    from executorch.exir.lowered_backend_module import get_lowered_backend_modules

    waiting = list(enumerate(marks))
    numbers: dict[str, int] = {}
    for module in get_lowered_backend_modules(edge.exported_program().graph_module):
        tags = {node.meta.get("delegation_tag") for node in module.original_module.graph.nodes} - {None}
        place = next(one for one in waiting if one[1] == module.processed_bytes)
        waiting.remove(place)
        numbers |= dict.fromkeys(tags, place[0])
    return numbers


def write_etrecord(path: Path, edge: Any, executorch: Any) -> None:
    """ExecuTorch's record for its developer tools, with the dates of the archive's members taken out."""
    import zipfile

    from executorch.devtools import generate_etrecord
    from executorch.exir.lowered_backend_module import get_lowered_backend_modules

    program = edge.exported_program()
    modules = get_lowered_backend_modules(program.graph_module)
    for one in (program, executorch.exported_program(), *(module.original_module for module in modules)):
        make_portable(one)
    dated = path.with_suffix(".dated")
    generate_etrecord(str(dated), copy.deepcopy(edge), executorch)
    with zipfile.ZipFile(dated) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    dated.unlink()
