"""fallback: cortex_m beside an NPU: what the NPU did not take stays in integers between the partitions."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "steps"))

from cortex_m_builds import assert_qemu_is_exact, assert_the_host_is_exact, built, needs_qemu
from project import TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.compile import cortex_m_fallback
from etbuild.hardware.target import planned_for

pytestmark = pytest.mark.e2e

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


# Each with limits of the U55 that it exceeds.
LIMITS = """
    import torch

    class Limits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.up = torch.nn.ConvTranspose2d(4, 5, 3, stride=3)
            self.second = torch.nn.Conv2d(5, 6, 1)
            self.third = torch.nn.Conv2d(6, 4, 3, padding=1)

        def forward(self, x):
            x = torch.relu(self.up(torch.relu(self.first(x))))
            x = torch.nn.functional.avg_pool2d(self.second(x), 5, 4, padding=2)
            x = torch.nn.functional.max_pool2d(self.third(x).flip(3), (3, 2), stride=(4, 1))
            return self.second(torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 1))), torch.argmax(x, 1)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Limits()
        ModelInputs = (torch.randn(1, 3, 8, 6),)
"""

# Everything else that has an integer form, in a module that the test keeps from the NPU.
EACH = """
    import torch

    class Left(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(4, 8, 3, padding=1, stride=2)
            self.depthwise = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.grouped = torch.nn.Conv2d(8, 6, 3, padding=2, dilation=2, groups=2)
            self.row = torch.nn.Conv1d(6, 5, 3, padding=1)
            self.linear = torch.nn.Linear(5, 7)

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = torch.nn.functional.hardtanh(self.depthwise(x), 0.0, 1.5) + torch.nn.functional.hardswish(x)
            x = torch.nn.functional.leaky_relu(self.grouped(x), 0.1)
            x = torch.nn.functional.max_pool2d(x, 2, 1, dilation=2)
            x = torch.cat([x, torch.minimum(x, x.amax(3, keepdim=True) * 0.5)], 2)
            y = torch.nn.functional.pad(x, (1, 0, 0, 2))
            x = torch.softmax(y, 3) - x.mean((2, 3), keepdim=True)
            x = torch.maximum(torch.sin(x), torch.exp(-x) / (x * x + 1.5))
            x = self.linear(torch.relu(self.row(x.flatten(2))).transpose(1, 2))
            x = torch.bmm(x, torch.nn.functional.elu(x).transpose(1, 2))
            return torch.mm(x[0], x[0]).view(1, 1, *x.shape[1:])

    class Each(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.left = Left()
            self.last = torch.nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.last(self.left(self.first(x)))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Each()
        ModelInputs = (torch.randn(1, 2, 12, 10),)
"""


@pytest.fixture(scope="module")
def kept_from_the_npu() -> Iterator[None]:
    """ExecuTorch's partitioner leaves a module named "left", as if the NPU lacked its operators."""
    from executorch.backends.arm.ethosu import EthosUPartitioner
    from torch.fx.passes.operator_support import create_op_support

    def taken(_: object, node: object) -> bool:
        paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]  # type: ignore[attr-defined]
        return not any(path.endswith("left") or ".left." in path or "'left'" in path for path in paths)

    made = EthosUPartitioner.__init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EthosUPartitioner, "__init__", lambda self, spec: made(self, spec, [create_op_support(taken)]))
        yield


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return built(tmp_path_factory.mktemp("limits"), LIMITS, FALLBACK)


@pytest.fixture(scope="module")
def each(tmp_path_factory: pytest.TempPathFactory, kept_from_the_npu: None) -> Project:
    return built(tmp_path_factory.mktemp("each"), EACH, FALLBACK)


def on_the_cpu(project: Project) -> set[str]:
    manifest = project.json("build/r/ethos-u55-128/manifest.json")
    return {str(one["operator"]) for one in manifest["operators"]["cpu"]}


def test_layers_beyond_the_npus_limits_are_integers(limits: Project) -> None:
    """A transposed convolution and pools with strides that the U55 lacks, a flip, and argmax: only the model's border
    is in floating point."""
    found = [reason.rpartition("; ")[2] for reason in reasons(limits)]

    assert found == [cortex_m_fallback.IN_INTEGERS] * len(found)
    assert on_the_cpu(limits) == {
        "aten::argmax.out",
        "aten::flip.out",
        "cortex_m::dequantize_per_tensor.out",
        "cortex_m::quantize_per_tensor.out",
        "cortex_m::quantized_avg_pool2d_nhwc.out",
        "cortex_m::quantized_max_pool2d_nhwc.out",
        "cortex_m::quantized_transpose_conv2d_nhwc.out",
        "cortex_m::transpose.out",
    }


def test_layers_beyond_the_npus_limits_are_exact(limits: Project) -> None:
    """On the host, against the backend's Python implementation."""
    assert_the_host_is_exact(limits, FALLBACK)


@needs_qemu
def test_layers_beyond_the_npus_limits_are_exact_in_qemu(limits: Project) -> None:
    """With the emulated NPU in the firmware, for every output."""
    assert_qemu_is_exact(limits, FALLBACK)


def test_every_operator_with_an_integer_form_gets_it(each: Project) -> None:
    """Nothing between the two delegates is in floating point: all of the backend's kernels but those of `limits`."""
    found = [reason.rpartition("; ")[2] for reason in reasons(each)]

    assert found == [cortex_m_fallback.IN_INTEGERS] * len(found)
    assert on_the_cpu(each) == {
        "aten::amax.out",
        "aten::cat.out",
        "aten::expand_copy.out",
        "aten::max_pool2d_with_indices.out",
        "aten::select_copy.int_out",
        "cortex_m::dequantize_per_tensor.out",
        "cortex_m::maximum.out",
        "cortex_m::minimum.out",
        "cortex_m::pad.out",
        "cortex_m::quantize_per_tensor.out",
        "cortex_m::quantized_activation.out",
        "cortex_m::quantized_add.out",
        "cortex_m::quantized_batch_matmul.out",
        "cortex_m::quantized_conv2d_nhwc.out",
        "cortex_m::quantized_depthwise_conv2d_nhwc.out",
        "cortex_m::quantized_mul.out",
        "cortex_m::transpose.out",
    }


def test_every_integer_form_is_exact(each: Project) -> None:
    """On the host, against the backend's Python implementation; and near the quantised program."""
    assert_the_host_is_exact(each, FALLBACK)
    (output,) = each.json("build/r/tosa-u55-cortex-m/golden.json")["outputs"]
    assert output["lsb"]["max"] <= 4


@needs_qemu
def test_every_integer_form_is_exact_in_qemu(each: Project) -> None:
    """With the emulated NPU in the firmware."""
    assert_qemu_is_exact(each, FALLBACK)


def scratch_sizes(project: Project, operator: str, profile: str = FALLBACK.profile) -> list[list[int]]:
    """The bytes of the planned buffers that each call of an operator has."""
    from etbuild.compile.lowered import read_lowered

    (plan,) = read_lowered(project.root / f"build/r/{profile}/lowered.bin").program.execution_plan
    calls = [one.instr_args for chain in plan.chains for one in chain.instructions]
    named = [one for one in calls if type(one).__name__ == "KernelCall"]
    found = [one for one in named if plan.operators[one.op_index].name == f"cortex_m::{operator}"]
    values = [[plan.values[index].val for index in one.args[:-1]] for one in found]
    tensors = [[one for one in row if type(one).__name__ == "Tensor" and one.scalar_type == 0] for row in values]
    assert all(one.allocation_info for row in tensors for one in row)
    return [[math.prod(one.sizes) for one in row] for row in tensors]


def library_sizes(kernels: str) -> tuple[list[int], list[int]]:
    """What CMSIS-NN asks for, from the shapes of the transposed convolution and of the pool of LIMITS."""
    from executorch.backends.cortex_m.library import cmsis_nn

    shapes = {"input_nhwc": [1, 8, 6, 4], "filter_nhwc": [5, 3, 3, 4]}
    sides = {"padding_hw": [0, 0], "stride_hw": [3, 3], "dilation_hw": [1, 1], "padding_offsets_hw": [0, 0]}
    ranges = {"input_offset": 128, "output_offset": -128, "activation_min": -128, "activation_max": 127}
    kinds = (getattr(cmsis_nn.Backend, kernels), cmsis_nn.DataType.A8W8)
    scratch = cmsis_nn.transpose_conv_buffer_size(*kinds, output_nhwc=[1, 24, 18, 5], **shapes, **sides, **ranges)
    reverse = cmsis_nn.transpose_conv_reverse_conv_buffer_size(*kinds, **shapes, **sides, **ranges)
    return [scratch, reverse], [cmsis_nn.avgpool_buffer_size(*kinds, dim_dst_width=5, ch_src=6)]


def test_buffers_are_of_the_sizes_that_the_backends_library_asks_for(limits: Project) -> None:
    """For the vector kernels of a Cortex-M55; they are in the memory plan."""
    convolution, pool = library_sizes("MVE")

    assert convolution[0] > 0
    assert scratch_sizes(limits, "quantized_transpose_conv2d_nhwc") == [convolution]
    assert scratch_sizes(limits, "quantized_avg_pool2d_nhwc") == [pool]


def test_buffers_are_planned_for_the_core_beside_the_npu(tmp_path: Path) -> None:
    """A Cortex-M33, as in an i.MX 93, has no vector kernels: others, which want other buffers."""
    target = planned_for(FALLBACK, "cortex-m33")
    made = built(tmp_path, LIMITS, target)
    convolution, pool = library_sizes("DSP")

    assert library_sizes("MVE") != (convolution, pool)
    assert scratch_sizes(made, "quantized_transpose_conv2d_nhwc", target.profile) == [convolution]
    assert scratch_sizes(made, "quantized_avg_pool2d_nhwc", target.profile) == [pool]
    assert_the_host_is_exact(made, target)
