"""Models with torch.cond and while_loop: what these call is quantised, and runs on the Ethos-U85."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from project import CPU, U55, U85, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import golden, run

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.target import Target

CHOICE = """
    import torch

    class Choice(torch.nn.Module):
        def forward(self, x):
            return torch.cond(x.mean() > 0, lambda v: torch.relu(v + 0.5), lambda v: v * 2.0, [x])

    ModelUnderTest = Choice()
    ModelInputs = (torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.2,)
"""


# A branch with a kernel of one element, and one with nine: their weights are inputs of the branches.
CONVOLUTIONS = """
    import torch

    class Choice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one = torch.nn.Conv2d(4, 4, 1)
            self.two = torch.nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return torch.cond(x.mean() > 0, lambda v: torch.relu(self.one(v)), lambda v: self.two(v), [x])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Choice()
        ModelInputs = (torch.randn(1, 4, 4, 4),)
"""

LOOP = """
    import torch

    class Loop(torch.nn.Module):
        def forward(self, x):
            def goes_on(v):
                return v.sum() < 20.0

            return torch._higher_order_ops.while_loop(goes_on, lambda v: (v * 2.0,), (torch.abs(x) + 0.1,))[0]

    ModelUnderTest = Loop()
    ModelInputs = (torch.rand(1, 4, generator=torch.Generator().manual_seed(0)),)
"""


@pytest.mark.e2e
@pytest.mark.parametrize("model", [CONVOLUTIONS, LOOP], ids=["convolutions", "loop"])
def test_it_is_exact(model: str, tmp_path: Path) -> None:
    """Convolutions with weights from IFM2, whose sums start with a bias; a condition that compares with a number, which
    ExecuTorch's quantiser makes a tensor of one element."""
    project = Project(tmp_path)
    project.write("model.py", model)
    one = recipe(U85, lsb=None, run=Run(on="host"))
    host = run.step(one, U85)
    assert host is not None

    project.run(*compile_steps(one, U85), golden.step(one, "tosa-u85"), host)

    found = project.json("build/r/ethos-u85-256/run.json")
    assert found["bit_exact"] == found["vectors"] == 4
    assert project.json("build/r/tosa-u85/partition.json")["npu_share"] == 1.0


@pytest.mark.e2e
def test_the_branches_of_cond_run_on_the_npu(tmp_path: Path) -> None:
    """As the integers of the TOSA reference model; partition.json has them in the delegate of the cond."""
    project = Project(tmp_path)
    project.write("model.py", CHOICE)
    one = recipe(U85, lsb=None, run=Run(on="host"))
    host = run.step(one, U85)
    assert host is not None

    project.run(*compile_steps(one, U85), golden.step(one, "tosa-u85"), host)

    found = project.json("build/r/ethos-u85-256/run.json")
    partition = project.json("build/r/tosa-u85/partition.json")
    places = {operator["operator"]: operator["place"] for operator in partition["operators"]}
    assert found["bit_exact"] == found["vectors"] == 4
    assert (places["relu.default"], places["mul.Tensor"], partition["npu_share"]) == ("NPU", "NPU", 1.0)


@pytest.mark.e2e
def test_cond_is_a_branch_of_the_program_where_the_npu_has_none(tmp_path: Path) -> None:
    """On an Ethos-U55 what is before the condition is in a delegate, and the branches are the CPU's."""
    project = Project(tmp_path)
    project.write("model.py", CHOICE)
    one = recipe(U55, lsb=None, run=Run(on="host"))

    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"), run.step(one, U55))

    found = project.json("build/r/ethos-u55-128/run.json")
    assert found["bit_exact"] == found["vectors"] == 4
    partition = project.json("build/r/tosa-u55/partition.json")
    places = {operator["operator"]: operator["place"] for operator in partition["operators"]}
    assert (places["cond"], places["relu.default"], places["sum.dim_IntList"]) == ("CPU", "CPU", "NPU")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (CPU, "the target has no NPU"),
        (U55, "TOSA spec TOSA-1.0+INT+int16+int4+u55 does not support control flow extension"),
    ],
    ids=["cpu", "u55"],
)
def test_a_loop_on_the_cpu_is_refused_with_its_line(target: Target, reason: str, tmp_path: Path) -> None:
    """ExecuTorch's emitter knows none."""
    project, one = Project(tmp_path), recipe(target)
    project.write("model.py", LOOP)

    with pytest.raises(StepError) as caught:
        project.run(*compile_steps(one, target)[:3])

    assert str(caught.value) == (
        "model.py:8: got while_loop on the CPU, wanted it in a delegate of an Ethos-U85\n"
        f"    {reason}; ExecuTorch writes no loops for the CPU: unroll it, or use torch.cond"
    )
