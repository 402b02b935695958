"""Writes the small files of tests/pte/files with ExecuTorch's own path: `python tests/pte/make_files.py`.

The files are committed, so that reading them needs neither torch nor minutes; run this again after an
upgrade of ExecuTorch and look at the difference.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import torch
from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
from executorch.backends.arm.ethosu.compile_spec import VelaExternalBlockPlacements
from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
from executorch.backends.cortex_m.passes.replace_quant_nodes_pass import ReplaceQuantNodesPass
from executorch.devtools import BundledProgram
from executorch.devtools.bundled_program.config import MethodTestCase, MethodTestSuite
from executorch.devtools.bundled_program.serialize import serialize_from_bundled_program_to_flatbuffer
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, schema, to_edge_transform_and_lower
from executorch.exir._serialize._program import PTEFile, serialize_pte_binary
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

FILES = Path(__file__).parent / "files"


class Linear(torch.nn.Module):
    """A constant weight and bias."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class TwoParts(torch.nn.Module):
    """A sort, which no NPU has, between two parts that it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(torch.sort(self.before(x))[0])


class Branch(torch.nn.Module):
    """A jump and moves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda a: a + 1.0, lambda a: a * 2.0, (x,))


class Joined(torch.nn.Module):
    """A list of tensors as one argument."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, y], 1)


class TwoLayers(torch.nn.Module):
    """A layer that another method has too, and one of its own."""

    def __init__(self, shared: torch.nn.Module) -> None:
        super().__init__()
        self.shared, self.own = shared, torch.nn.Linear(3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own(self.shared(x).reciprocal())


class Numbers(torch.nn.Module):
    """Inputs that are no tensors: torch.export fixes them to their values."""

    def forward(self, x: torch.Tensor, scale: float, on: bool, count: int, mask: torch.Tensor | None) -> torch.Tensor:
        return x * scale + count if on and mask is None else x


class OpenNumber(torch.nn.Module):
    """A number that torch.export leaves open, and instructions read."""

    def forward(self, x: torch.Tensor, count: int) -> tuple[torch.Tensor, int]:
        return x * count, count + 1


def quantised(module: torch.nn.Module, example: tuple[torch.Tensor, ...], compile_spec: EthosUCompileSpec) -> Any:
    graph = torch.export.export(module.eval(), example).module(check_guards=False)
    quantizer = EthosUQuantizer(compile_spec)
    quantizer.set_global(get_symmetric_quantization_config())
    prepared = prepare_pt2e(graph, quantizer)
    prepared(*example)
    return torch.export.export(convert_pt2e(prepared), example)


def npu_program(module: torch.nn.Module, example: tuple[torch.Tensor, ...], npu: str, **spec: Any) -> Any:
    compile_spec = EthosUCompileSpec(npu, **spec)
    return npu_methods({"forward": quantised(module, example, compile_spec)}, compile_spec)


def npu_methods(exported: dict[str, Any], compile_spec: EthosUCompileSpec) -> Any:
    edge = to_edge_transform_and_lower(
        exported,
        partitioner=[EthosUPartitioner(compile_spec)],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    return edge.transform([ReplaceQuantNodesPass()])


def two_methods(row: torch.Tensor) -> tuple[Any, Any]:
    """`one` layer, and `two`, that layer and another: for the CPU, and for an NPU with a delegate each."""
    layer = Linear()
    modules: dict[str, torch.nn.Module] = {"one": layer, "two": TwoLayers(layer)}
    spec = EthosUCompileSpec("ethos-u55-128")
    floats = {name: torch.export.export(module.eval(), (row,)) for name, module in modules.items()}
    integers = {name: quantised(module, (row,), spec) for name, module in modules.items()}
    return to_edge_transform_and_lower(floats).to_executorch(), npu_methods(integers, spec)


def cpu_program(module: torch.nn.Module, example: tuple[Any, ...]) -> Any:
    return to_edge_transform_and_lower(torch.export.export(module.eval(), example)).to_executorch()


def open_number(row: torch.Tensor) -> tuple[bytes, bytes]:
    """As ExecuTorch writes it, without type and value of the number; and as it would be with them."""
    shapes = {"x": None, "count": torch.export.Dim.DYNAMIC}
    exported = torch.export.export(OpenNumber(), (row, 5), dynamic_shapes=shapes)
    program = to_edge_transform_and_lower(exported).to_executorch()
    plan = program.executorch_program.execution_plan[0]
    assert isinstance(plan.values[plan.inputs[1]].val, schema.Null)
    file = PTEFile(copy.deepcopy(program.executorch_program), mutable_data=None)
    file.program.execution_plan[0].values[plan.inputs[1]].val = schema.Int(5)
    return program.buffer, bytes(serialize_pte_binary(file))


def write(name: str, program: Any) -> None:
    (FILES / name).write_bytes(program.buffer)


def main() -> None:
    os.chdir(FILES)
    torch.manual_seed(0)
    row = (torch.linspace(-1.0, 1.0, 4).reshape(1, 4),)
    inline = ExecutorchBackendConfig(extract_delegate_segments=False)

    write("linear_u55.pte", npu_program(Linear(), row, "ethos-u55-128").to_executorch(inline))
    write("linear_u65_512.pte", npu_program(Linear(), row, "ethos-u65-512").to_executorch(inline))
    write("linear_u85_segment.pte", npu_program(Linear(), row, "ethos-u85-256").to_executorch())
    write("two_parts_u55.pte", npu_program(TwoParts(), row, "ethos-u55-64").to_executorch(inline))
    placements = VelaExternalBlockPlacements(weight_data="weights")
    external = npu_program(Linear(), row, "ethos-u55-128", external_block_placements=placements).to_executorch(inline)
    write("linear_external.pte", external)
    external.write_tensor_data_to_file(str(FILES))
    cpu = cpu_program(Linear(), row)
    write("linear_cpu.pte", cpu)
    write("branch_cpu.pte", cpu_program(Branch(), row))
    write("joined_cpu.pte", cpu_program(Joined(), (row[0], row[0] + 1.0)))
    suite = MethodTestSuite("forward", [MethodTestCase(inputs=row, expected_outputs=(Linear()(*row),))])
    bundled = serialize_from_bundled_program_to_flatbuffer(BundledProgram(cpu, [suite]))
    (FILES / "linear_cpu.bpte").write_bytes(bundled)
    direct = ["--separate-io-regions", "--cop-format=COP2"]
    write("linear_direct.pte", npu_program(Linear(), row, "ethos-u85-256", extra_flags=direct).to_executorch(inline))
    write("numbers_cpu.pte", cpu_program(Numbers(), (*row, 0.5, True, 3, None)))
    without, with_value = open_number(row[0])
    (FILES / "open_number_cpu.pte").write_bytes(without)
    (FILES / "open_number_5_cpu.pte").write_bytes(with_value)
    write("linear_u65_256.pte", npu_program(Linear(), row, "ethos-u65-256").to_executorch(inline))
    on_cpu, on_npu = two_methods(row[0])
    write("methods_cpu.pte", on_cpu)
    write("methods_u55.pte", on_npu.to_executorch(inline))


if __name__ == "__main__":
    main()
