"""Passes at executorch: over the program's last form, the graph that memory is planned for."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import TWO_DELEGATES, U55, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.program_sections import Pass
from etbuild.steps import golden, lower, run

SOURCE = Path("own/passes.py")
PASSES = """
from executorch.exir.dialects._ops import ops
from executorch.exir.pass_base import ExportedProgramPassBase, ExportPass
from torch.fx.passes.infra.pass_base import PassResult

class HardForSoft(ExportPass):
    def call_operator(self, op, args, kwargs, meta):
        result = super().call_operator(op, args, kwargs, meta)
        if op != ops.edge.aten.upsample_nearest2d.vec:
            return result
        result = super().call_operator(ops.edge.aten.neg.default, (result,), {}, meta)
        return super().call_operator(ops.edge.aten.relu.default, (result,), {}, meta)

class OfProgram(ExportedProgramPassBase):
    def call(self, exported_program):
        pass

def nothing(graph_module):
    pass

def another_output(graph_module):
    output = graph_module.graph.output_node()
    output.args = ((*output.args[0], output.args[0][0]),)
    return PassResult(graph_module, True)
"""
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Exported and quantised."""
    project, one = Project(tmp_path_factory.mktemp("last_passes")), recipe()
    project.write("model.py", TWO_DELEGATES)
    project.write(str(SOURCE), PASSES)
    project.run(*compile_steps(one, U55)[:2])
    return project


def test_what_a_last_pass_adds_runs_exact_and_is_in_the_partition(made: Project) -> None:
    """The expected outputs are those of the program with it; what it has left has its reason still."""
    one = recipe(lsb=None, passes=(Pass("executorch", SOURCE, "HardForSoft"),))
    made.run(*compile_steps(one, U55)[2:], golden.step(one, "tosa-u55"), run.step(one, U55))

    report = made.json("build/r/tosa-u55/partition.json")
    on_cpu = [one for one in report["operators"] if one["class"] == "compute" and one["place"] == "CPU"]
    assert [(one["operator"], one["reason"]) for one in on_cpu] == [
        ("upsample_nearest2d.vec", "U55 nearest-neighbor resize requires equal 2x, 4x, or 8x scale factors."),
        ("neg.default", "added by a pass of the recipe"),
        ("relu.default", "added by a pass of the recipe"),
    ]
    pte = (made.root / "build/r/ethos-u55-128/model.pte").read_bytes()
    assert [name in pte for name in (b"aten::neg", b"aten::relu")] == [True, True]
    verdict = made.json("build/r/ethos-u55-128/run.json")
    assert (verdict["vectors"], verdict["bit_exact"]) == (4, 4)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nothing", "got a NoneType, wanted a PassResult"),
        (
            "another_output",
            "got 2 outputs, wanted 1 as before\n"
            "    a pass may not change the model's inputs and outputs: its vectors and its callers have these",
        ),
        (
            "OfProgram",
            "got an ExportedProgramPassBase, wanted an ExportPass or a function of a GraphModule\n"
            "    at executorch there is no ExportedProgram; at backend a pass gets it",
        ),
    ],
)
def test_what_a_last_pass_may_not_do_is_refused(made: Project, entry: str, message: str) -> None:
    """With its file, name and place."""
    with pytest.raises(StepError) as caught:
        made.run(lower.step(recipe(passes=(Pass("executorch", SOURCE, entry),)), "tosa-u55"))

    assert str(caught.value) == f"own/passes.py: pass {entry} at executorch: {message}"
