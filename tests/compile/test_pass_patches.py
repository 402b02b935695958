"""With the patches of ExecuTorch's passes lowering gives the same bytes, and calls fewer operators."""

from __future__ import annotations

import pytest
from project import output_of

pytestmark = pytest.mark.e2e

# `lowered` gives the .pte of a module, with a placeholder for each delegate and its graph; `count` has the calls of
# operators by passes.
COMPARED = """
import inspect
from contextlib import ExitStack
from pathlib import Path
import torch
from etbuild.compile import compiler_imports, pass_patches
compiler_imports.load_executorch()
from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
from executorch.exir.pass_base import ExportPass, NodeMetadata, ProxyValue, _ExportPassBase
from etbuild.compile import lowering
from etbuild.compile.profiles import reference_spec
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

count = [0]
call_function = torch.fx.Interpreter.call_function
def counting(self, *arguments):
    count[0] += 1
    return call_function(self, *arguments)
torch.fx.Interpreter.call_function = counting
patched = pass_patches.cheaper_passes

def quantised(module, inputs, profile):
    quantizer = EthosUQuantizer(reference_spec(profile, True))
    quantizer.set_global(get_symmetric_quantization_config())
    exported = torch.export.export(module.eval(), inputs, strict=True).module(check_guards=False)
    prepared = prepare_pt2e(exported, quantizer)
    prepared(*inputs)
    return torch.export.export(convert_pt2e(prepared), inputs, strict=True)

def lowered(program, profile, patches):
    pass_patches.cheaper_passes = patched if patches else ExitStack
    count[0] = 0
    made = lowering.lower_program(program, profile, "float32", Path("x.pt2"))
    return bytes(made.executorch.buffer), made.graphs, made.partition

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1)
        self.last = torch.nn.Linear(4, 3)
    def forward(self, x):
        x = torch.relu(self.one(x))
        x = torch.nn.functional.hardtanh(self.two(x) + x, 0.0, 6.0)
        first, second = torch.split(x, 2, 1)
        x = torch.cat((second, first), 1)
        return self.last(x.mean((2, 3))).softmax(-1), x.amax(1)

torch.manual_seed(0)
inputs = (torch.randn(1, 2, 8, 8),)
for profile in ("tosa-u55", "tosa-u85", "cpu"):
    program = quantised(Net(), inputs, "tosa-u55" if profile == "cpu" else profile)
    usual, calls = lowered(program, profile, False), count[0]
    print(profile, lowered(program, profile, True) == usual, count[0] < 0.5 * calls)
from torch._subclasses import FakeTensorMode

mode = FakeTensorMode()
aten = torch.ops.aten
called = []

class Pass(ExportPass):
    def value(self, tensor):
        return ProxyValue(tensor, self.tracer.create_proxy("placeholder", "x", (), {}))

class Counting(torch.fx.Interpreter):
    def call_function(self, target, args, kwargs):
        called.append(target)
        return super().call_function(target, args, kwargs)

def shown(one):
    return one if not isinstance(one, torch.Tensor) else (tuple(one.shape), one.stride(), one.dtype, one.device.type)

def run(op, *args, **kwargs):
    used = Pass()
    used.interpreter = Counting(torch.fx.GraphModule(torch.nn.Module(), torch.fx.Graph()))
    with mode:
        values = [used.value(one) if isinstance(one, torch.Tensor) else one for one in args]
        result = used.call_operator(op, tuple(values), kwargs, NodeMetadata({"mine": 1}))
    leaves = torch.utils._pytree.tree_leaves(result.data)
    node = result.node
    meta = sorted(set(node.meta) - {"eager_input_vals"})
    return [shown(one) for one in leaves], node.name, str(node.args), str(node.kwargs), meta, leaves

def tensor(*shape, **kind):
    with mode:
        return torch.empty(*shape, **kind)

def compared(op, *args, **kwargs):
    'Whether two patched calls equal an unpatched one, and how many of them have called the operator.'
    usual = run(op, *args, **kwargs)
    with pass_patches.cheaper_passes():
        called.clear()
        both = [run(op, *args, **kwargs) for _ in range(2)]
        memories = {one.untyped_storage()._cdata for got in both for one in got[5] if isinstance(one, torch.Tensor)}
    return all(got[:5] == usual[:5] for got in both), len(called), len(memories)
pass_patches.cheaper_passes = patched
print('once')
print(compared(aten.add.Tensor, tensor(2, 3), tensor(2, 3)))
print(compared(aten.convolution.default, tensor(1, 2, 8, 8), tensor(4, 2, 3, 3), None, [1, 1], [0, 0], [1, 1], False,
               [0, 0], 1))
print(compared(aten.split_copy.Tensor, tensor(4, 3), 2, 0))
print(compared(aten._to_copy.default, tensor(2, 3, 4, 4), dtype=torch.int8, memory_format=torch.channels_last))
print('each time')
print(compared(aten.view.default, tensor(2, 3), [6]))
print(compared(aten.dropout.default, tensor(2, 3), 0.5, False))
library = torch.library.Library("mine", "DEF")
library.define("twice(Tensor x) -> Tensor")
library.impl("twice", lambda x: torch.empty_like(x), "Meta")
print(compared(torch.ops.mine.twice.default, tensor(2, 3)))
with pass_patches.cheaper_passes():
    called.clear()
    sums = [run(aten.sum.dim_IntList, tensor(2, 3, dtype=kind), [axis], keep)[0]
            for kind in (torch.int8, torch.float32) for axis in (0, 1) for keep in (False, True)]
    print(len(called), len(set(map(str, sums))))
    called.clear()
    for number in (1, 1.0, True):
        print(run(aten.add.Tensor, tensor(2, 3, dtype=torch.int8), number)[0][0][2])
print('delegates')
import sys
delegates = sys.modules["torch._higher_order_ops.executorch_call_delegate"]
own_call = delegates.call_delegate_cpu
delegates.call_delegate_cpu = lambda *given: called.append(given) or own_call(*given)
program = quantised(Net(), inputs, "tosa-u55")
for patches in (False, True):
    called.clear()
    lowered(program, "tosa-u55", patches)
    print(len(called))

class State(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(2, 3))
    def forward(self, x):
        self.state.add_(x)
        return (self.state + 1,)

def of_delegate(model, given, traced=None):
    'Whether the result equals that of a call, and whether the delegate was called.'
    class Model(torch.nn.Module):
        def forward(self, x):
            return model(x)
    module = Model() if not isinstance(model, torch.nn.Module) else model
    made = torch.export.export(module, (torch.ones(traced or given.shape),), strict=True).run_decompositions({})
    delegate, called = type("Delegate", (), {"original_module": made}), []
    def call():
        called.append(1)
        return usual
    with mode:
        usual = model(given) if module is not model else None
        got = pass_patches._Results(ProxyValue).of_delegate(delegate, [given], call)
    leaves = torch.utils._pytree.tree_leaves
    return type(got) is type(usual) and list(map(shown, leaves(got))) == list(map(shown, leaves(usual))), len(called)

print(of_delegate(lambda x: (x + 1, x.transpose(0, 1) * 2), tensor(2, 3)), of_delegate(lambda x: [x + 1], tensor(2, 3)))
print(*(of_delegate(*case)[1] for case in (
    (lambda x: (x, x + 1), tensor(2, 3)), (lambda x: (x.view(6),), tensor(2, 3)), (lambda x: x + 1, tensor(2, 3)),
    (lambda x: (x + 1,), tensor(2, 4), (2, 3)), (State(), tensor(2, 3)),
)))
print('leaves')
from torch.fx import Graph
from torch.fx.immutable_collections import immutable_list
from torch.utils import _pytree as trees
node, size = Graph().placeholder("x"), torch.Size([2, 3])
named = torch.return_types.max((torch.ones(1), torch.ones(1)))
nested = (1, [node, None, {"a": [1], "b": (2,)}])
for tree in ([], 1, None, [1, 2.0, "a", node], nested, [size, named], immutable_list([1, [2]])):
    usual = list(trees.tree_iter(tree))
    with pass_patches.leaves_of_plain_lists():
        print([one is other for one, other in zip(trees.tree_iter(tree), usual, strict=True)].count(False), len(usual))
print('views')
from torch._export.pass_base import _ExportPassBaseDeprecatedDoNotUse as TorchsPass
from torch._export.passes.replace_view_ops_with_view_copy_ops_pass import ReplaceViewOpsWithViewCopyOpsPass
module = torch.export.export(Net().eval(), inputs, strict=True).run_decompositions({}).graph_module
described = []
for apply in (ExitStack, pass_patches.cheaper_passes):
    with apply():
        made = ReplaceViewOpsWithViewCopyOpsPass()(module).graph_module
    described.append([(node.format_node(), sorted(node.meta), *map(shown, torch.utils._pytree.tree_leaves(
        node.meta.get("val")))) for node in made.graph.nodes])
print(described[0] == described[1], any("split_copy" in node[0] for node in described[0]))
print('text')
interpreter = _ExportPassBase.ExportInterpreter
def functions():
    return _ExportPassBase._fx, TorchsPass._fx, interpreter.run_node
own = functions()
def replaced():
    with pass_patches.cheaper_passes():
        return [now is not before for now, before in zip(functions(), own)]
print(replaced(), hasattr(_ExportPassBase, "node_debug_str"), functions() == own)
pass_patches.SOURCE_OF_FX = pass_patches.SOURCE_OF_TORCHS_FX = pass_patches.SOURCE_OF_RUN_NODE = "0"
print(replaced())
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the code above prints, in one process: importing ExecuTorch takes longer than the rest."""
    return output_of(COMPARED, tmp_path_factory.mktemp("compared")).splitlines()


def section(lines: list[str], begin: str, end: str | None = None) -> list[str]:
    return lines[lines.index(begin) + 1 : lines.index(end) if end else None]


def test_lowering_with_cheaper_passes_gives_the_same_bytes_with_fewer_calls(lines: list[str]) -> None:
    """Program, graphs and partition, for each NPU profile and without an NPU; less than half of the calls."""
    before = lines[: lines.index("once")]

    assert before[-3:] == ["tosa-u55 True True", "tosa-u85 True True", "cpu True True"]


def test_an_operator_is_called_once_for_arguments_of_equal_metadata(lines: list[str]) -> None:
    """The second result equals the first in all but its memory; also of several tensors, and for lists of numbers."""
    assert section(lines, "once", "each time") == [
        *("(True, 1, 2)", "(True, 1, 2)", "(True, 1, 4)", "(True, 1, 2)"),
    ]


def test_what_is_not_decided_by_metadata_is_called_each_time(lines: list[str]) -> None:
    """A view, a composite that returns its argument, an operator of the user, another shape, type, or number."""
    assert section(lines, "each time", "delegates") == [
        *("(True, 2, 1)", "(True, 2, 1)", "(True, 2, 2)", "8 8", "torch.int8", "torch.float32", "torch.int8"),
    ]


def test_a_delegate_is_not_called_for_what_its_program_knows(lines: list[str]) -> None:
    """Lowering calls it three times, now never. Its results are those of a call, several too.

    It is called where it returns an input, a view, or no list, for another shape, and where it has a state.
    """
    assert section(lines, "delegates", "leaves") == ["3", "0", "(True, 0) (True, 0)", "1 1 1 1 1"]


def test_leaves_of_lists_that_are_plain_and_of_others_are_the_same_objects(lines: list[str]) -> None:
    """Empty and nested ones, dicts, a size and a named tuple; each with the differences, and the leaves."""
    assert section(lines, "leaves", "views") == ["0 0", "0 1", "0 1", "0 4", "0 5", "0 4", "0 2"]


def test_a_pass_of_torch_gives_the_same_graph(lines: list[str]) -> None:
    """Views become copies: each node's text, keys of its metadata, and what its results are."""
    assert section(lines, "views", "text") == ["True True"]


def test_where_executorch_has_another_text_the_patch_is_left_out(lines: list[str]) -> None:
    """All know the pinned version's functions; without that they replace nothing, and afterwards nothing stays."""
    assert section(lines, "text") == ["[True, True, True] False True", "[False, False, False]"]
