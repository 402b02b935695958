"""A program that is decomposed in its graph is the program that PyTorch traces."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e

DECOMPOSE = """
import torch
from etbuild.compile import compiler_imports, decomposing
compiler_imports.load_executorch()
from executorch.backends.arm.ethosu import EthosUCompileSpec, EthosUPartitioner
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from torch.export import Dim, ExportedProgram, export

def in_place(x): y = x * 2; y.add_(1); return y.relu_()
def its_input(x): x.mul_(2); return x + 1
def composite(x): return torch.nn.functional.dropout(x, training=False).flatten(1).reshape(-1).unbind()[0]
def preserved(x): return torch.nn.functional.hardswish(torch.nn.functional.linear(x, torch.ones(3, 4)))
def branches(x): return torch.cond(x.sum() > 0, lambda x: x.sin().flatten(), lambda x: x.cos().flatten(), (x,))
def plain(x): return torch.relu(x) + 1

traced = []
decompose = ExportedProgram.run_decompositions
def counting(self, *table):
    traced[-1] += 1
    return decompose(self, *table)
ExportedProgram.run_decompositions = counting

def lowered(function, npu, shapes):
    module = torch.nn.Module()
    module.forward = function
    traced.append(0)
    program = export(module.eval(), (torch.ones(2, 4),), dynamic_shapes=shapes, strict=False)
    partitioner = [EthosUPartitioner(EthosUCompileSpec("ethos-u85-256"))] if npu else None
    config = EdgeCompileConfig(_check_ir_validity=False)
    edge = to_edge_transform_and_lower(program, partitioner=partitioner, compile_config=config)
    return bytes(edge.to_executorch().buffer)

for npu in (False, True):
    for function in (in_place, its_input, composite, preserved, branches, plain):
        usual = lowered(function, npu, None)
        with decomposing.fewer_decompositions():
            print(function.__name__, lowered(function, npu, None) == usual, traced[-2:])
shapes = [{0: Dim("rows", min=1, max=9)}]
usual = lowered(plain, False, shapes)
with decomposing.fewer_decompositions():
    print("symbolic", lowered(plain, False, shapes) == usual, traced[-2:])
"""


def test_decomposing_only_what_changes_gives_the_same_program(tmp_path: Path) -> None:
    """With operators in place, composite, preserved by the backend, in branches, or with symbolic shapes; and without.

    On the CPU, then for the NPU; each with the number of traces without the patch, and with it.
    """
    assert output_of(DECOMPOSE, tmp_path).splitlines() == [
        *("in_place True [2, 1]", "its_input True [2, 2]", "composite True [2, 1]", "preserved True [2, 1]"),
        *("branches True [2, 2]", "plain True [2, 0]"),
        *("in_place True [3, 1]", "its_input True [3, 3]", "composite True [3, 1]", "preserved True [3, 2]"),
        *("branches True [3, 3]", "plain True [3, 0]"),
        "symbolic True [2, 2]",
    ]


# Each line: the model, how often it was traced without the patch and with it, and whether the programs are equal.
REPLACED = """
from pathlib import Path
import torch
from etbuild.compile import compiler_imports, decomposing, exported_program
compiler_imports.load_executorch()
from torch.export import ExportedProgram, default_decompositions, export
from torch.nn.functional import avg_pool2d, conv1d, conv2d, dropout, max_pool2d, softmax

def kept(value):
    return (type(value), value.shape, value.stride(), value.dtype, value.requires_grad)

def history(source):
    return source.name, source.target, source.pass_name, source.action, [*map(history, source.from_node)]

def shown(program):
    lines = [program.graph_signature, program.module_call_graph, program.verifiers, *program.state_dict]
    lines += [program.range_constraints, sorted(program.constants), program.graph_module.meta]
    for node in program.graph.nodes:
        meta = dict(node.meta) if node.op == "call_function" else {"val": node.meta.get("val")}
        for name in ("eager_input_vals", "seq_nr"):  # The second counts what this process has recorded for gradients.
            meta.pop(name, None)
        values = meta.pop("val", None)
        values = values if isinstance(values, (list, tuple)) else [values]
        meta["val"] = [kept(one) for one in values if one is not None]
        meta["from_node"] = [*map(history, meta.get("from_node", []))]
        lines.append((node.op, node.name, node.target, node.args, node.kwargs, sorted(meta.items())))
    return [str(line) for line in lines]

traced = []
decompose = ExportedProgram.run_decompositions
def counting(self, *table):
    traced.append(1)
    return decompose(self, *table)
ExportedProgram.run_decompositions = counting

def loaded(program):
    exported_program.save_program(program, Path("program.pt2"))
    return exported_program.load_program(Path("program.pt2"))

class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.ones(4, 2, 3, 3))
        self.register_buffer("count", torch.zeros(2))

def compared(name, function, *inputs):
    made = type("Made", (Module,), {"forward": function})().eval()
    for strict in (False, True):
        program = export(made, inputs, strict=strict)
        yield compared_program(f"{name}{'_strict' if strict else ''}", program)
    yield compared_program(f"{name}_loaded", loaded(program))

def compared_program(name, program, lines=None):
    counts, found = [], []
    for patched in (False, True):
        traced.clear()
        if patched:
            with decomposing.fewer_decompositions():
                made = program.run_decompositions(default_decompositions())
        else:
            made = program.run_decompositions(default_decompositions())
        counts.append(len(traced))
        found.append(shown(made))
    print(name, *counts, found[0][:lines] == found[1][:lines], flush=True)

x, w = torch.ones(1, 4, 6, 6), torch.ones(4, 2, 3, 3)
def convolution(self, x): return conv2d(x, self.weight, None, 2, 1, 1, 2)
def short(self, x): return conv2d(x, self.weight, None, [2], [1], 1, 2)
def named(self, x): return conv2d(input=x, weight=self.weight, stride=(1, 2), padding=(0, 1), groups=2)
def one(self, x): return conv1d(x.flatten(2), self.weight.flatten(2), padding=[4], groups=2).relu()
def pool(self, x): return max_pool2d(x, 2) + max_pool2d(x, (2, 3), (2, 2), (1, 1), ceil_mode=True)[:, :, :3, :3]
def shapes(self, x): return x.reshape(4, -1) + 1, x.reshape(1, 4, 6, 6) + 1, x.flatten(1, 2) + 1, x.flatten() + 1
def off(self, x): return dropout(x, training=False).relu()
def dead(self, x):
    max_pool2d(x, 2)
    return x.flatten(1) + max_pool2d(x, 1).flatten(1)
def several(self, x): return conv2d(x, self.weight, groups=2), x + 1, x.flatten(1) * 2
def unbatched(self, x): return conv2d(x[0], self.weight, groups=2)
def transposed(self, x): return x.transpose(1, 2).reshape(6, 24) + 1
def integers(self, x): return (x.to(torch.int8) + 1).reshape(6, 24) + 1
def on(self, x): return dropout(x, training=True) + 1
def table(self, x): return softmax(conv2d(x, self.weight, groups=2), 1)
def state(self, x):
    self.count.add_(1)
    return conv2d(x, self.weight, groups=2)
def its_input(self, x):
    x.add_(1)
    return x.flatten(1) + 1
def same(self, x): return x, x.flatten(1)
def branch(self, x): return torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,)).flatten(1)
def view(self, view): return view.flatten(1) + 1
def known(self, input): return conv2d(input, self.weight, groups=2).flatten(1)
def again(self, add): return (add + 1).flatten(1) + 1
def result(self, output): return output.flatten(1) + 1
def bits(self, x): return (x + 1).flatten(1).view(torch.int32)
every = (convolution, short, named, one, pool, shapes, off, dead, several, unbatched, transposed, integers, on, table,
         state, its_input, same, branch, view, known, again, result, bits)
for function in every:
    list(compared(function.__name__, function, x))

class Others(Module):
    def __init__(self, case):
        super().__init__()
        self.case, self.constant = case, torch.full((6,), 5.0)
        self.inner = torch.nn.Module()
        self.inner.register_buffer("one", torch.full((6,), 2.0))
        self.first, self.second = torch.nn.Conv2d(4, 4, 3), torch.nn.Conv2d(4, 4, 3)
        self.first.weight = self.second.weight
    def forward(self, x):
        if self.case == "constant":
            return (x * self.constant + self.inner.one).flatten(1)
        if self.case == "inner":
            return (x * self.inner.one).flatten(1)
        if self.case == "shared":
            return self.first(x) * self.second(x)
        return (x * self.constant + self.inner.one).abs()  # Nothing to decompose, and inputs in another order.

for case in ("constant", "inner", "shared", "order"):
    for strict in (False, True):
        program = export(Others(case).eval(), (x,), strict=strict)
        # A program that is left as it is keeps its metadata.
        lines = 1 if case == "order" else None
        compared_program(f"{case}{'_strict' if strict else ''}", program, lines)
        compared_program(f"{case}_loaded{strict}", loaded(program), lines)
gradients = (x.clone().requires_grad_(),)
compared_program("gradients", export(type("Made", (Module,), {"forward": pool})().eval(), gradients))
apart = torch.randn(1, 1, 1, 4).permute(0, 3, 1, 2)
compared_program("apart", export(type("Made", (Module,), {"forward": off})().eval(), (apart,)))
"""


def test_operators_with_another_name_are_replaced_without_a_trace(tmp_path: Path) -> None:
    """The nodes have the names, arguments and metadata of the trace; where anything else happens, there is a trace."""
    lines = output_of(REPLACED, tmp_path).splitlines()

    assert [line for line in lines if not line.endswith("True")] == []
    counts = {line.split()[0]: line.split()[1:3] for line in lines}
    replaced = {"convolution", "short", "one", "pool", "shapes", "off", "dead", "several", "known", "named", "inner"}
    assert {name.partition("_")[0] for name, count in counts.items() if count == ["1", "0"]} >= replaced
    traced = {"unbatched", "transposed", "integers", "on", "table", "state", "its", "same", "branch", "view", "again"}
    traced |= {"result", "bits", "shared", "gradients", "apart"}
    assert {name.partition("_")[0] for name, count in counts.items() if count == ["1", "1"]} >= traced
    assert len(counts) == 3 * 23 + 4 * 4 + 2
