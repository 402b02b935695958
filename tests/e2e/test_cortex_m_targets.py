"""Targets without an NPU that name their processor: integers from end to end, by ExecuTorch's Cortex-M backend."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))

from cortex_m_builds import assert_qemu_is_exact, assert_the_host_is_exact, built, needs_qemu
from project import Project

from etbuild.compile.cortex_m import IN_FLOAT
from etbuild.compile.inputs import inputs_of
from etbuild.compile.quantizing import RANDOM_SAMPLES
from etbuild.compile.samples import read_samples
from etbuild.hardware.target import CPU_PROFILES, Target
from etbuild.recipe.data_sections import Data

pytestmark = pytest.mark.e2e

# Three channels, so that memory orders differ; a mean, a residual sum, a softmax, and a depthwise convolution.
NET = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
            self.depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.point = torch.nn.Conv2d(8, 8, 1)
            self.head = torch.nn.Linear(8, 5)

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = x + torch.relu(self.point(torch.relu(self.depthwise(x))))
            x = torch.nn.functional.max_pool2d(x, 2)
            return torch.softmax(self.head(x.mean((2, 3))), -1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net()
        ModelInputs = (torch.randn(1, 3, 12, 10),)
"""

# What the first has not: a dilated and a transposed convolution, paddings, means of windows, tables, products.
OTHERS = """
    import torch

    class Others(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dilated = torch.nn.Conv2d(3, 6, 3, padding=2, dilation=2)
            self.up = torch.nn.ConvTranspose2d(6, 4, 3, stride=2)

        def forward(self, x):
            x = torch.nn.functional.pad(self.dilated(x), (1, 0, 2, 1))
            x = torch.nn.functional.avg_pool2d(torch.sigmoid(x), 3, 2, padding=1)
            x = torch.tanh(self.up(x)) * 0.5
            x = torch.minimum(x, x * x)
            rows = x.reshape(1, 4, -1)
            return torch.bmm(rows, rows.transpose(1, 2)).permute(0, 2, 1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Others()
        ModelInputs = (torch.randn(1, 3, 8, 6),)
"""


def on(cpu: str) -> Target:
    return Target(cpu, "none", CPU_PROFILES[cpu], cpu=cpu)


def executorchs_own(module: Any, example: tuple[Any, ...], samples: Any, cpu: str) -> bytes:
    """The result of the path of ExecuTorch's aot_arm_compiler for a Cortex-M, in one process."""
    import torch
    from executorch.backends.cortex_m.edge_compile_config import cortex_m_edge_compile_config
    from executorch.backends.cortex_m.passes.cortex_m_pass_manager import CortexMPassManager
    from executorch.backends.cortex_m.quantizer.quantizer import CortexMQuantizer
    from executorch.backends.cortex_m.target_config import CortexMTargetConfig
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    def moved(values: Any) -> tuple[Any, ...]:
        return tuple(value.to(memory_format=torch.channels_last) if value.dim() == 4 else value for value in values)

    module = module.eval()
    module.requires_grad_(False)
    captured = torch.export.export(module, example, strict=True).module(check_guards=False)
    captured = captured.to(memory_format=torch.channels_last)
    captured = torch.export.export(captured, moved(example), strict=True).module(check_guards=False)
    prepared = prepare_pt2e(captured, CortexMQuantizer())
    for sample in samples:
        prepared(*moved(sample))
    program = torch.export.export(convert_pt2e(prepared), moved(example), strict=True)
    edge = to_edge_transform_and_lower(program, compile_config=cortex_m_edge_compile_config())
    config = CortexMTargetConfig.from_target_string(cpu)
    edge._edge_programs["forward"] = CortexMPassManager(edge.exported_program(), target_config=config).transform()
    return bytes(edge.to_executorch(config=ExecutorchBackendConfig(extract_delegate_segments=False)).buffer)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return built(tmp_path_factory.mktemp("cortex-m"), NET, on("cortex-m55"))


def operators(project: Project) -> list[str]:
    return [str(one["operator"]) for one in project.json("build/r/cortex-m-mve/partition.json")["operators"]]


def test_the_profiles_are_executorchs_kinds_of_kernels() -> None:
    """Of CMSIS-NN, by processor."""
    from executorch.backends.cortex_m.target_config import CortexM, CortexMTargetConfig

    configs = [CortexMTargetConfig(cpu) for cpu in CortexM]

    assert {one.target_string: f"cortex-m-{one.backend.name.lower()}" for one in configs} == CPU_PROFILES


def test_the_program_is_executorchs_to_the_byte(project: Project) -> None:
    """Its buffers too, which are planned for CMSIS-NN: the .pte runs on ExecuTorch's own runtime as it is."""
    spec = importlib.util.spec_from_file_location("tmp_model", project.root / "model.py")
    assert spec and spec.loader
    model = sys.modules["tmp_model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    samples = read_samples(Data(), inputs_of(model.ModelInputs), RANDOM_SAMPLES).inputs

    theirs = executorchs_own(model.ModelUnderTest, model.ModelInputs, samples, "cortex-m55")

    assert (project.root / "build/r/cortex-m55/model.pte").read_bytes() == theirs


def test_nothing_but_the_border_is_in_floating_point(project: Project) -> None:
    """The operators of the lowered program."""
    assert [name for name in operators(project) if not name.startswith("cortex_m.")] == ["view_copy.default"]


def test_the_host_gives_what_the_backends_python_gives(project: Project) -> None:
    """Bit by bit, for every vector."""
    assert_the_host_is_exact(project, on("cortex-m55"))


def test_other_operators_are_exact_too(tmp_path: Path) -> None:
    """On a processor whose kernels have no vectors: other constants, other buffers. What stays in floating point, a
    product with a number, is named with its line."""
    others = built(tmp_path, OTHERS, on("cortex-m0"))

    partition = others.json("build/r/cortex-m-scalar/partition.json")
    named = [(one["operator"], one["line"], one["reason"]) for one in partition["operators"] if one["reason"]]
    assert named == [("mul.Tensor", "model.py:12", IN_FLOAT)]
    assert_the_host_is_exact(others, on("cortex-m0"))


@needs_qemu
def test_the_firmware_gives_the_same_in_qemu(project: Project) -> None:
    """On a Cortex-M55 without an NPU, bit by bit; the image has only the model's kernels."""
    assert_qemu_is_exact(project, on("cortex-m55"))

    assert project.json("build/r/cortex-m55/sizes.json")["code_bytes"] < 45_000


def test_the_quantiser_takes_int16_for_quotients_alone() -> None:
    """Which is why a recipe with a processor and int16x8 is refused: all other operators would stay in floating
    point."""
    import torch
    from executorch.backends.cortex_m.quantizer.quantization_configs import INT16_PER_TENSOR_CONFIG
    from executorch.backends.cortex_m.quantizer.quantizer_support import CORTEX_M_QUANTIZER_SUPPORT_DICT

    graph, taken = torch.fx.Graph(), set()
    x = graph.placeholder("x")
    for pattern, check in CORTEX_M_QUANTIZER_SUPPORT_DICT.items():
        nodes = [graph.call_function(target, (x, x)) for target in pattern]
        if check.check_quantization_config(nodes, INT16_PER_TENSOR_CONFIG):
            taken |= {str(node.target) for node in nodes}

    assert taken == {"aten.div.Tensor", "aten.div_.Tensor"}
