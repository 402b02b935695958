"""The passes of a recipe: they run where it says, and what a pass may not do is refused with its name and place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from project import CONV, Project, recipe

from etbuild.errors import StepError
from etbuild.recipe.program_sections import Pass
from etbuild.steps import export, lower, quantize

SOURCE = Path("own/passes.py")
PASSES = """
import torch
from executorch.exir.dialects._ops import ops
from executorch.exir.pass_base import ExportedProgramPassBase, ExportedProgramPassResult, ExportPass
from torch.fx.passes.infra.pass_base import PassResult

RELU = (torch.ops.aten.relu.default, ops.edge.aten.relu.default)
ABS = (torch.ops.aten.abs.default, ops.edge.aten.abs.default)

class AbsForRelu(ExportPass):
    def call_operator(self, op, args, kwargs, meta):
        return super().call_operator(ABS[RELU.index(op)] if op in RELU else op, args, kwargs, meta)

def abs_for_relu(graph_module):
    for node in graph_module.graph.nodes:
        if node.target in RELU:
            node.target = ABS[RELU.index(node.target)]
    return PassResult(graph_module, True)

class OfProgram(ExportedProgramPassBase):
    def call(self, exported_program):
        abs_for_relu(exported_program.graph_module)
        return ExportedProgramPassResult(exported_program, True)

class Needs(ExportPass):
    def __init__(self, scale):
        super().__init__()

def nothing(graph_module):
    pass

def raises(graph_module):
    return 1 // 0

def calls(graph_module):
    return [node for node in graph_module.graph.nodes if node.op == "call_function"]

def out_of_order(graph_module):
    nodes = calls(graph_module)
    nodes[-2].args = (nodes[-1], *nodes[-2].args[1:])
    return PassResult(graph_module, True)

def appended(graph_module, operator, *arguments):
    last = calls(graph_module)[-1]
    with graph_module.graph.inserting_after(last):
        node = graph_module.graph.call_function(operator, (last, *arguments))
    last.replace_all_uses_with(node)
    node.args = (last, *arguments)
    return last, node

def without_a_type(graph_module):
    appended(graph_module, ops.edge.aten.neg.default)
    return PassResult(graph_module, True)

def another_shape(graph_module):
    last, node = appended(graph_module, ops.edge.aten.unsqueeze_copy.default, 0)
    node.meta = {**last.meta, "val": last.meta["val"].unsqueeze(0)}
    return PassResult(graph_module, True)

def another_output(graph_module):
    output = graph_module.graph.output_node()
    output.args = (output.args[0] * 2,)
    return PassResult(graph_module, True)

def one_input_less(graph_module):
    node = next(node for node in reversed(graph_module.graph.nodes) if node.op == "placeholder")
    other = next(node for node in graph_module.graph.nodes if node.op == "placeholder")
    node.replace_all_uses_with(other)
    graph_module.graph.erase_node(node)
    return PassResult(graph_module, True)
"""
PORTS = "\n    a pass may not change the model's inputs and outputs: its vectors and its callers have these"
# By entry: the end of the message at aten.
REFUSED = {
    "nothing": "got a NoneType, wanted a PassResult",
    "raises": "got ZeroDivisionError: integer division or modulo by zero\n"
    "    own/passes.py:32 in raises: return 1 // 0",
    "out_of_order": "got an invalid graph, RuntimeError: Argument 'linear' of Node 'flatten' was used before it has "
    "been defined! Please check that Nodes in the graph are topologically ordered",
    "without_a_type": 'got node aten_neg_default without meta["val"], its type and shape\n'
    "    an ExportPass sets it; else copy the meta of the node that it replaces",
    "another_shape": f"got output 0 of float32 [1, 1, 3], wanted float32 [1, 3] as before{PORTS}",
    "another_output": f"got 2 outputs, wanted 1 as before{PORTS}",
    "one_input_less": "got 4 placeholders (weights and inputs), wanted 5 as before\n"
    "    an ExportedProgramPassBase can change weights, with the signature",
}


def planned(*passes: Pass) -> Any:
    return recipe(passes=passes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Exported and quantised, with a relu."""
    project = Project(tmp_path_factory.mktemp("passes"))
    project.write("model.py", CONV)
    project.write(str(SOURCE), PASSES)
    project.run(export.step(recipe()), quantize.step(recipe(), "tosa-u55"))
    return project


def operators(project: Project) -> set[str]:
    report = project.json("build/r/tosa-u55/partition.json")
    return {one["operator"] for one in report["operators"] if one["class"] == "compute"}


def test_each_step_gets_the_passes_of_its_points() -> None:
    """A change of one reruns that step; the file is an input, what it reads is in the depfile."""
    one = planned(Pass("edge", SOURCE, "A"), Pass("aten", SOURCE, "B"), Pass("backend", SOURCE, "C"))
    first, second = quantize.step(one, "tosa-u55"), lower.step(one, "tosa-u55")

    assert [text for text in first.argv if "passes" in text] == ["aten:own/passes.py:B"]
    assert [text for text in second.argv if "passes" in text] == ["edge:own/passes.py:A", "backend:own/passes.py:C"]
    assert [str(SOURCE) in step.inputs for step in (first, second)] == [True, True]
    assert (first.depfile, second.depfile) == (
        "build/r/tosa-u55/quantize_deps.json",
        "build/r/tosa-u55/lower_deps.json",
    )


def test_without_passes_nothing_is_on_the_command_line() -> None:
    """And no depfile: a recipe that does not use them has the steps that it had."""
    for step in (quantize.step(recipe(), "tosa-u55"), lower.step(recipe(), "tosa-u55")):
        assert "--pass" not in step.argv
        assert step.depfile == ""


def test_a_pass_survives_the_command_line() -> None:
    """A path may have colons."""
    one = Pass("edge", Path("a:b/passes.py"), "Fold")

    assert Pass.parse(one.to_argument()) == one


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("point", "entry"), [("aten", "OfProgram"), ("quantized", "abs_for_relu"), ("edge", "AbsForRelu")]
)
def test_every_form_of_a_pass_changes_the_program(made: Project, point: str, entry: str) -> None:
    """Before, between and after quantisation, the NPU gets what the pass has written."""
    one = planned(Pass(point, SOURCE, entry))
    made.run(quantize.step(one, "tosa-u55"), lower.step(one, "tosa-u55"))

    assert {"abs.default", "relu.default"} & operators(made) == {"abs.default"}


@pytest.mark.e2e
@pytest.mark.parametrize("entry", REFUSED)
def test_what_a_pass_may_not_do_is_refused_with_its_name_and_place(made: Project, entry: str) -> None:
    """The whole message; the same at all points."""
    with pytest.raises(StepError) as caught:
        made.run(quantize.step(planned(Pass("aten", SOURCE, entry)), "tosa-u55"))

    assert str(caught.value) == f"own/passes.py: pass {entry} at aten: {REFUSED[entry]}"


@pytest.mark.e2e
@pytest.mark.parametrize("point", ["quantized", "edge", "backend"])
def test_a_pass_that_fails_is_named_at_every_point(made: Project, point: str) -> None:
    """Through the pass managers of PyTorch and ExecuTorch, which wrap errors."""
    made.run(quantize.step(recipe(), "tosa-u55"))
    one = planned(Pass(point, SOURCE, "nothing"))
    with pytest.raises(StepError) as caught:
        made.run(*([quantize.step(one, "tosa-u55")] if point == "quantized" else [lower.step(one, "tosa-u55")]))

    assert str(caught.value) == f"own/passes.py: pass nothing at {point}: got a NoneType, wanted a PassResult"


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("Nobody", "passes: Nobody at aten: got no Nobody, wanted a class or function of this name"),
        ("RELU", "passes: RELU at aten: got a tuple, wanted a class or function"),
        ("Needs", "Needs(): got TypeError: Needs.__init__() missing 1 required positional argument: 'scale'"),
    ],
)
def test_an_entry_that_is_no_pass_is_refused(made: Project, entry: str, message: str) -> None:
    """Missing, not callable, or a class that wants arguments."""
    with pytest.raises(StepError) as caught:
        made.run(quantize.step(planned(Pass("aten", SOURCE, entry)), "tosa-u55"))

    assert str(caught.value) == f"own/passes.py: {message}"


ON_CPU = """
import torch
from executorch.exir.dialects._ops import ops
from executorch.exir.pass_base import ExportPass

class NegTwice(ExportPass):
    def call_operator(self, op, args, kwargs, meta):
        result = super().call_operator(op, args, kwargs, meta)
        if op != ops.edge.aten.upsample_nearest2d.vec:
            return result
        for _ in range(2):
            result = super().call_operator(ops.edge.aten.neg.default, (result,), {}, meta)
        return result
"""


@pytest.mark.e2e
def test_a_pass_at_backend_changes_what_the_cpu_does(project: Project) -> None:
    """Its operators are in partition.json, those that it left keep their reasons, and the delegates stay."""
    from project import TWO_DELEGATES

    project.write("own/passes.py", ON_CPU)
    project.write("model.py", TWO_DELEGATES)
    one = planned(Pass("backend", SOURCE, "NegTwice"))
    project.run(export.step(one), quantize.step(one, "tosa-u55"), lower.step(one, "tosa-u55"))

    report = project.json("build/r/tosa-u55/partition.json")
    compute = [one for one in report["operators"] if one["class"] == "compute"]
    assert [(one["operator"], one["reason"], one["advice"] is None) for one in compute if one["place"] == "CPU"] == [
        ("upsample_nearest2d.vec", "U55 nearest-neighbor resize requires equal 2x, 4x, or 8x scale factors.", False),
        ("neg.default", "added by a pass of the recipe", True),
        ("neg.default", "added by a pass of the recipe", True),
    ]
    assert [one["delegate"] for one in compute if one["place"] == "NPU"] == [0, 0, 1]
