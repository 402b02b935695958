"""The program of one profile, partitioned: one .tosa a delegate, and all around them. It runs no Vela.

build/<recipe>/<profile>/: lowered.bin (the emitted program, see etbuild.compile.lowered), delegates/<n>.tosa,
partition.json (each operator: NPU or CPU, why, from which line of the model).
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.build_engine.step import Step
from etbuild.compile.exported_program import load_program, make_portable
from etbuild.compile.lowered import Lowered, mark_of, write_lowered
from etbuild.compile.partition import NO_NPU, PartitionRecord
from etbuild.compile.profiles import reference_spec
from etbuild.errors import EtbuildError, StepError, exit_code_of
from etbuild.system.provenance import digests

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe


def step(recipe: Recipe, profile: str) -> Step:
    folder = Path("build") / recipe.name / profile
    etrecord = folder / "model.etrecord"
    return Step(
        name=f"lower:{recipe.name}@{profile}",
        argv=(
            *("--program", str(folder / "quantized.pt2"), "--profile", profile),
            *(("--io", recipe.quantize.io) if recipe.quantize.io != "float32" else ()),
            *("--output", str(folder / "lowered.bin"), "--delegates", str(folder / "delegates")),
            *("--report", str(folder / "partition.json")),
            *(("--etrecord", str(etrecord)) if recipe.pte.etrecord else ()),
        ),
        inputs=(folder / "quantized.pt2",),
        outputs=(
            folder / "lowered.bin",
            folder / "delegates",
            folder / "partition.json",
            *((etrecord,) if recipe.pte.etrecord else ()),
        ),
        tools=("python", "torch", "torchao", "executorch", "tosa-tools"),
    )


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from etbuild.compile import compiler_imports, patches

    compiler_imports.load_executorch()
    program = load_program(options.program)
    record, graphs = PartitionRecord(), dict[bytes, bytes]()
    try:
        with patches.code_on_demand(), patches.decompositions_that_change(), _without_vela(graphs):
            edge, border = lower(program, options.profile, options.io, record)
            executorch = emit(edge)
    except EtbuildError:
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise StepError(
            f"{options.program}: lowering for {options.profile}: got {type(error).__name__}: {said}"
        ) from error
    lowered = Lowered(executorch.executorch_program, executorch._emitter_output.mutable_data)
    marks = [_mark(lowered, delegate) for delegate in lowered.delegates]
    record.number(_delegate_of_tag(edge, marks))
    write_lowered(lowered, options.output)
    shutil.rmtree(options.delegates, ignore_errors=True)
    options.delegates.mkdir(parents=True)
    for number, mark in enumerate(marks):
        (options.delegates / f"{number}.tosa").write_bytes(graphs[mark])
    report = {"digests": digests((options.program,)), **record.to_json(), "border": border}
    options.report.write_text(json.dumps(report, indent=1) + "\n")
    if options.etrecord:
        write_etrecord(options.etrecord, edge, executorch)
    return 0


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


def _mark(lowered: Lowered, delegate: Any) -> bytes:
    return bytes(lowered.program.backend_delegate_data[delegate.processed.index].data)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.lower", description=__doc__, allow_abbrev=False)
    parser.add_argument("--program", type=Path, required=True, help="quantized.pt2")
    parser.add_argument("--profile", required=True, help="tosa-u55, tosa-u85 or cpu")
    parser.add_argument("--io", choices=("float32", "int8", "uint8"), default="float32", help="at the model's border")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--delegates", type=Path, required=True, help="folder for the .tosa files")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--etrecord", type=Path, help="also write ExecuTorch's record for its developer tools")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
