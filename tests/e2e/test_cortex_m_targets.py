"""Targets without an NPU that name their processor: integers from end to end, by ExecuTorch's Cortex-M backend."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))

from project import TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.compile import cortex_m_fallback
from etbuild.compile.cortex_m import IN_FLOAT
from etbuild.compile.inputs import inputs_of
from etbuild.compile.quantizing import RANDOM_SAMPLES
from etbuild.compile.samples import read_samples
from etbuild.hardware.boards import board_file, load_board
from etbuild.hardware.target import CPU_PROFILES, Target
from etbuild.recipe.data_sections import Data
from etbuild.recipe.runtime_sections import Run, Runtime

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

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


def steps(one: Recipe, target: Target) -> list[Any]:
    from etbuild.steps import golden

    return [*compile_steps(one, target), golden.step(one, target.profile)]


def built(folder: Path, source: str, target: Target) -> Project:
    made = Project(folder)
    made.write("model.py", source)
    made.run(*steps(recipe(target, lsb=None), target))
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return built(tmp_path_factory.mktemp("cortex-m"), NET, on("cortex-m55"))


def operators(project: Project) -> list[str]:
    return [str(one["operator"]) for one in project.json("build/r/cortex-m-mve/partition.json")["operators"]]


def assert_the_host_is_exact(project: Project, target: Target) -> None:
    import numpy as np

    from etbuild.host.program import HostProgram

    golden = np.load(project.root / f"build/r/{target.profile}/golden.npz")
    program = HostProgram(project.root / f"build/r/{target.variant}/model.pte")
    for number, vector in enumerate(golden["input_0"]):
        (got,) = program.run(vector)
        assert np.array_equal(got, golden["output_0"][number])


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


@pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
    reason="no QEMU or no cross compiler on this machine",
)
def test_the_firmware_gives_the_same_in_qemu(project: Project) -> None:
    """On a Cortex-M55 without an NPU, bit by bit; the image has only the model's kernels."""
    from etbuild.steps import firmware, run

    file = board_file("qemu-mps3-an547")
    assert file
    board = load_board(file)
    runtime = Runtime(board, npu=board.npu.driver, stack_size=board.stack_size)
    target = on("cortex-m55")
    one = recipe(target, lsb=None, runtime=runtime, run=Run(on="qemu", tolerance=0.0))
    made = [firmware.step(one, target), run.step(one, target)]

    project.run(*[step for step in made if step])

    report = project.json("build/r/cortex-m55/run.json")
    assert (report["on"], report["bit_exact"]) == ("qemu", report["vectors"])
    assert project.json("build/r/cortex-m55/sizes.json")["code_bytes"] < 45_000


FALLBACK = replace(U55, profile="tosa-u55-cortex-m", fallback="cortex_m")


def reasons(project: Project) -> list[str]:
    partition = project.json("build/r/tosa-u55-cortex-m/partition.json")
    return [str(one["reason"]) for one in partition["operators"] if one["class"] == "compute" and one["reason"]]


def test_a_copy_between_two_delegates_stays_in_integers(tmp_path: Path) -> None:
    """Nothing makes floats of the first delegate's output; the result is exact."""
    made = built(tmp_path, TWO_DELEGATES, FALLBACK)

    (reason,) = reasons(made)
    assert reason.endswith(f"; {cortex_m_fallback.IN_INTEGERS}")
    assert [one["operator"] for one in made.json("build/r/ethos-u55-128/manifest.json")["operators"]["cpu"]] == [
        "aten::upsample_nearest2d.vec_out",
        "cortex_m::dequantize_per_tensor.out",
        "cortex_m::quantize_per_tensor.out",
    ]
    assert_the_host_is_exact(made, FALLBACK)


def test_what_has_no_integer_form_is_named(tmp_path: Path) -> None:
    """Bilinear interpolation computes, so that raw integers would give another result: it stays in floating point."""
    source = TWO_DELEGATES.replace('mode="nearest"', 'mode="bilinear"')
    made = Project(tmp_path)
    made.write("model.py", source)
    made.run(*compile_steps(recipe(FALLBACK), FALLBACK))

    (reason,) = reasons(made)
    assert reason.endswith(f"; {cortex_m_fallback.IN_FLOAT}")


SUMS = """
    import torch

    class Sums(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.second = torch.nn.Conv2d(4, 2, 3)

        def forward(self, x):
            x = torch.relu(self.first(x))
            y = torch.sigmoid(x)
            return self.second(torch.tanh(x) - y * x + y)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Sums()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""


def test_sums_products_and_tables_are_integers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the NPU lacked them: ExecuTorch's partitioner is told to leave them. The result is exact, and near that of
    the quantised program, which an operator with raw integers in place of real numbers would not be."""
    from executorch.backends.arm.ethosu import EthosUPartitioner
    from torch.fx.passes.operator_support import create_op_support

    left = ("sigmoid", "tanh", "add.Tensor", "sub.Tensor", "mul.Tensor")
    taken = create_op_support(lambda _, node: not any(name in str(node.target) for name in left))
    made = EthosUPartitioner.__init__
    monkeypatch.setattr(EthosUPartitioner, "__init__", lambda self, spec: made(self, spec, [taken]))

    project = built(tmp_path, SUMS, FALLBACK)

    manifest = project.json("build/r/ethos-u55-128/manifest.json")
    assert {one["operator"] for one in manifest["operators"]["cpu"]} == {
        "cortex_m::quantize_per_tensor.out",
        "cortex_m::dequantize_per_tensor.out",
        "cortex_m::quantized_activation.out",
        "cortex_m::quantized_add.out",
        "cortex_m::quantized_mul.out",
    }
    assert_the_host_is_exact(project, FALLBACK)
    (output,) = project.json("build/r/tosa-u55-cortex-m/golden.json")["outputs"]
    assert output["lsb"]["max"] <= 1
