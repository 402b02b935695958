"""Branches and loops on Ethos-U85: exact to the TOSA reference model, and the same in a firmware in QEMU.

ExecuTorch's own tester quantises the bodies of torch.cond and while_loop, so the programs are made with it.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "firmware"))

from images import build

from etbuild.arm_suite import exactness
from etbuild.npu.disassembler import disassemble
from etbuild.pte.reader import read
from etbuild.pte.vela import read_stream
from etbuild.steps import run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


def choice() -> tuple[Any, tuple[Any, ...]]:
    import torch

    class Choice(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, lambda x: x + 1.0, lambda x: x - 1.0, [x])

    return Choice(), (torch.randn(2, 3),)


def loop() -> tuple[Any, tuple[Any, ...]]:
    import torch

    class Loop(torch.nn.Module):
        def forward(self, total: Any, left: Any) -> Any:
            def more(total: Any, left: Any) -> Any:
                rest = torch.sum(left)
                return torch.gt(rest, torch.zeros_like(rest)).squeeze()

            def once(total: Any, left: Any) -> Any:
                return torch.add(total, left), torch.sub(left, torch.full((1,), 1.0))

            return torch.ops.higher_order.while_loop(more, once, (total, left), ())

    return Loop(), (torch.full((2, 3), 1.0), torch.full((2, 3), 4.0))


def lowered(model: Any, inputs: tuple[Any, ...], graphs: exactness.Graphs) -> Any:
    """The ExecutorchProgramManager of a quantised model for Ethos-U85-128."""
    from executorch.backends.arm.ethosu import backend
    from executorch.backends.arm.test.tester.test_pipeline import EthosU85PipelineINT
    from executorch.backends.test.harness.stages import StageType

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "vela_compile", graphs.recording(backend.vela_compile))
        pipeline = EthosU85PipelineINT(model.eval(), inputs, [], [], run_on_fvp=False)
        pipeline.pop_stage("check_count.exir")
        pipeline.run()
    return pipeline.tester.get_artifact(StageType.TO_EXECUTORCH)


def commands_of(pte: Path) -> str:
    """The commands of its delegates, as text."""
    program = read(pte)
    streams = [read_stream(program, delegate) for delegate in program.methods[0].delegates]
    return "".join(disassemble(bytes(stream.block("cmd_data").data or b"")) for stream in streams)


@pytest.mark.parametrize(("stride", "groups"), [(2, 1), (1, 8)], ids=["strided", "depthwise"])
def test_convolutions_in_branches_are_exact(stride: int, groups: int, tmp_path: Path) -> None:
    """In both branches, which inputs of either sign take."""
    import torch

    class Convolutions(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small = torch.nn.Conv2d(8, 8, 3, stride, 1, groups=groups)
            self.large = torch.nn.Conv2d(8, 8, 5, stride, 2, groups=groups)

        def forward(self, x: Any) -> Any:
            return torch.cond(x.sum() > 0, lambda x: self.small(x), lambda x: self.large(x), [x])

    torch.manual_seed(0)
    inputs = torch.randn(1, 8, 8, 8)
    graphs = exactness.Graphs(tmp_path)
    manager = lowered(Convolutions(), (inputs,), graphs)

    for signed in (inputs.abs(), -inputs.abs()):
        assert exactness.compare(manager, (signed,), graphs) == exactness.Found(exactness.EXACT)


@pytest.mark.parametrize("make", [choice, loop])
def test_it_is_exact_and_the_same_in_qemu(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The firmware has three random vectors."""
    import torch

    torch.manual_seed(0)
    model, inputs = make()
    graphs = exactness.Graphs(tmp_path)
    manager = lowered(model, inputs, graphs)
    (tmp_path / "program.pte").write_bytes(manager.buffer)
    monkeypatch.chdir(tmp_path)

    assert exactness.compare(manager, inputs, graphs) == exactness.Found(exactness.EXACT)
    assert "BRANCH" in commands_of(tmp_path / "program.pte")
    image = build(tmp_path, str(tmp_path / "program.pte"), "ethos-u85-128")
    assert run.main(image.run_options()) == 0

    report = json.loads((tmp_path / "run.json").read_text())
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 3, 3)
