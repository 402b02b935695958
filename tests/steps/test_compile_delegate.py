"""Vela on one delegate's graph: the streams are ExecuTorch's, errors are Vela's, and figures add up."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import U55, U65, U85, Project, Quantize, compile_steps, inside, recipe

from etbuild.compile.vela import compile_delegate, total
from etbuild.compile.vela_flags import compile_flags
from etbuild.compile.vela_refusals import reasons
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.hardware.target import Target


@pytest.mark.e2e
@pytest.mark.parametrize("target", [U55, U65, U85], ids=lambda target: target.npu)
def test_streams_are_those_of_executorch(split: Project, tmp_path: Path, target: Target) -> None:
    """Byte for byte those of executorch.backends.arm.arm_vela for the same graph and flags."""
    from executorch.backends.arm.arm_vela import vela_compile

    graphs = split.root / "build/r/tosa-u55/delegates"
    (tmp_path / "out").mkdir()
    made = [compile_delegate(graphs / f"{n}.tosa", target, tmp_path / "out")["delegate"] for n in range(2)]

    wanted = [vela_compile((graphs / f"{n}.tosa").read_bytes(), list(compile_flags(target))) for n in made]
    assert [(tmp_path / f"out/{n}.bin").read_bytes() for n in made] == [one.processed_bytes for one in wanted]


def delegate(constant: int, memory: int, scratch: int) -> dict[str, Any]:
    areas = ("sram", "dram", "on_chip_flash", "off_chip_flash")
    return {
        "macs": 10,
        "cycles": dict.fromkeys(
            ("npu", "sram_access", "dram_access", "on_chip_flash_access", "off_chip_flash_access", "total"), 7
        ),
        "inference_time_s": 0.5,
        "memory_bytes": dict.fromkeys(areas, 0) | {"sram": scratch, "dram": memory},
        "constant_bytes": dict.fromkeys(areas, 0) | {"dram": constant},
        "scratch_bytes": scratch,
        "fast_scratch_bytes": 0,
        "weight_bytes": constant,
        "command_bytes": 3,
    }


def test_delegates_share_working_memory_and_add_up_constants() -> None:
    """They run one after the other: the largest scratch counts, and the sum of the weights."""
    together = total([delegate(100, 130, 16), delegate(200, 220, 64)])

    assert together["memory_bytes"] == {"sram": 64, "dram": 330, "on_chip_flash": 0, "off_chip_flash": 0}
    assert (together["macs"], together["inference_time_s"], together["scratch_bytes"]) == (20, 1.0, 64)


def test_no_delegates_need_no_memory() -> None:
    """A model that runs on the CPU alone."""
    assert total([])["memory_bytes"] == {"sram": 0, "dram": 0, "on_chip_flash": 0, "off_chip_flash": 0}


@pytest.mark.e2e
def test_an_error_of_vela_is_passed_on(small: Project, tmp_path: Path) -> None:
    """With the command, ready to paste."""
    target = replace(U55, memory_mode="Dedicated_Sram")

    with pytest.raises(StepError) as caught, inside(small.root):
        compile_delegate(Path("build/r/tosa-u55/delegates/0.tosa"), target, tmp_path)

    first, command = str(caught.value).splitlines()
    assert first == (
        "build/r/tosa-u55/delegates/0.tosa: Vela: "
        "Invalid configuration of arena_mem_area=OffChipFlash (must be Sram or Dram)"
    )
    assert command.startswith(
        "    vela --verbose-operators --verbose-cycle-estimate --accelerator-config=ethos-u55-128 "
    )


@pytest.mark.e2e
def test_an_error_of_vela_names_the_graph(tmp_path: Path) -> None:
    """First in the message."""
    (tmp_path / "0.tosa").write_bytes(b"nothing of the kind")

    with pytest.raises(StepError, match=r"0\.tosa: Vela: Compilation failed: "):
        compile_delegate(tmp_path / "0.tosa", U55, tmp_path)


SHUFFLED = """
    import torch

    class Shuffled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Conv2d(8, 24, 1), torch.nn.Conv2d(24, 24, 1)
            self.three = torch.nn.Conv2d(48, 4, 1)

        def forward(self, x):
            x = torch.relu(self.one(x))
            return self.three(torch.stack([x, torch.relu(self.two(x))], 2).flatten(1, 2))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Shuffled()
        ModelInputs = (torch.randn(1, 8, 8, 8),)
"""


@pytest.mark.e2e
def test_a_convolution_without_scales_for_all_its_channels_is_named(tmp_path: Path) -> None:
    """Vela 5.1 divides a convolution whose result is transposed into blocks of 16 channels, and loads one of them."""
    made = Project(tmp_path)
    made.write("model.py", SHUFFLED)
    steps = compile_steps(recipe(U85, quantize=Quantize(scheme="int16x8")), U85)

    with pytest.raises(StepError) as caught:
        made.run(*steps)

    assert re.sub(r"operation \d+ (.*) \(word \d+\)", r"operation N \1 (word N)", str(caught.value)) == (
        "delegate 0, layer Conv2D tosa_concat_default: operation N of its command stream, CONV (word N): "
        "got scales and weights of 16 channels, wanted 24 as its output has\n"
        "    a fault of Vela, not of the model: an NPU would read beyond them; a rule of quantize.rules that gives the "
        "layer's\n    module another scheme avoids it"
    )


RESIDUAL = """
    import torch

    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Conv2d(4, 4, 1), torch.nn.Conv2d(4, 4, 1)

        def forward(self, x):
            x = self.one(x)
            return x + self.two(x)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Residual()
        ModelInputs = (torch.randn(1, 4, 8, 8),)
"""
TRANSPOSED = """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = torch.nn.ConvTranspose2d(4, 4, 2, 2)
        ModelInputs = (torch.randn(1, 4, 8, 8),)
"""
REMEDY = "    a rule of quantize.rules that gives the layer's module another scheme avoids it"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("source", "reason", "remedy"),
    [
        (
            RESIDUAL,
            "    tosa_conv2d_default: 2 RESCALEs read its 48-bit result, and Vela joins one with it",
            f"{REMEDY}, as does an activation after the layer",
        ),
        (
            TRANSPOSED,
            "    tosa_transpose_conv2d_default: a transposed convolution of int16 cannot run on this NPU",
            REMEDY,
        ),
    ],
    ids=["residual", "transposed"],
)
def test_the_convolution_of_int16_that_vela_refuses_is_named(
    tmp_path: Path, source: str, reason: str, remedy: str
) -> None:
    """Vela says that a Conv2D could not run on the NPU, and not which one."""
    made = Project(tmp_path)
    made.write("model.py", source)
    steps = compile_steps(recipe(quantize=Quantize(scheme="int16x8")), U55)

    with pytest.raises(StepError) as caught:
        made.run(*steps)

    first, *lines, command = str(caught.value).splitlines()
    assert first == ("build/r/tosa-u55/delegates/0.tosa: Vela: Non-passthrough operation (Conv2D) could not run on NPU")
    assert lines == [reason, remedy]
    assert command.startswith("    vela --verbose-operators ")


@pytest.mark.e2e
def test_an_input_that_a_delegate_passes_on_is_named(tmp_path: Path) -> None:
    """TOSA allows a graph without an operator between the two; Vela wants one that writes the output."""
    import tosa_serializer as ts

    graph = ts.TosaSerializer("", targetMajor=1, targetMinor=0, targetPatch=0, targetDraft=False)
    x = ts.TosaSerializerTensor("x", [1, 4], ts.DType.INT16, data=None)
    graph.addInputTensor(x)
    graph.addOutputTensor(x)
    (tmp_path / "0.tosa").write_bytes(graph.serialize())

    with pytest.raises(StepError) as caught:
        compile_delegate(tmp_path / "0.tosa", U55, tmp_path)

    first, *lines, _ = str(caught.value).splitlines()
    assert "Output tensor x does not have any writers" in first
    assert lines == [
        "    x: an input of the delegate is its output too, and no operator is between",
        "    which operators are on the NPU decides that: partition.json says why the others are not",
    ]


@pytest.mark.e2e
def test_a_constant_that_two_convolutions_read_is_not_named() -> None:
    """Equal biases are one constant of 48 bits, as a convolution's result has; Vela does not mind."""
    import tosa_serializer as ts

    graph = ts.TosaSerializer("", targetMajor=1, targetMinor=0, targetPatch=0, targetDraft=False)
    bias = graph.addConst([1], ts.DType.INT48, [0], "bias")
    for _ in range(2):
        out = graph.addIntermediate([1], ts.DType.INT48)
        attribute = ts.TosaSerializerAttribute()
        attribute.IdentityAttribute()
        graph.addOperator(ts.Op.IDENTITY, [bias.name], [out.name], attribute)
        graph.addOutputTensor(out)

    assert reasons(graph.serialize(), "Non-passthrough operation (Conv2D) could not run on NPU") == []
