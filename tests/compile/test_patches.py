"""With the patches PyTorch computes the same as without."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e


def test_an_operator_that_is_registered_later_is_looked_up(tmp_path: Path) -> None:
    """PyTorch's set of composite operators contains it, and is otherwise equal to PyTorch's own."""
    code = """
import torch
from torch._export import utils
own = {str(op) for op in utils._collect_all_valid_cia_ops()}
from etbuild.compile import compiler_imports
compiler_imports.load_torch()
before = {str(op) for op in utils._collect_all_valid_cia_ops()}
library = torch.library.Library("late", "DEF")
library.define("twice(Tensor x) -> Tensor")
library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
after = {str(op) for op in utils._collect_all_valid_cia_ops()}
print(before == own, after - before)
"""

    assert output_of(code, tmp_path) == "True {'late.twice.default'}"


def test_a_modules_code_on_demand_equals_pytorchs(tmp_path: Path) -> None:
    """Read, called, printed, copied and pickled, also after a change of the graph; then the patch is removed."""
    code = """
import copy, pickle, torch
from etbuild.compile import compiler_imports, patches
compiler_imports.load_torch()
from torch.fx import GraphModule, symbolic_trace

class Net(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) + 1

def change(module):
    node = next(node for node in module.graph.nodes if node.target is torch.relu)
    node.target = torch.neg
    module.recompile()
    return module

own = GraphModule.recompile
usual = change(symbolic_trace(Net()))
with patches.lazy_code_generation():
    late = change(symbolic_trace(Net()))
    generated = "_code" in vars(late)
    copied, pickled = copy.deepcopy(late), pickle.loads(pickle.dumps(late))
x = torch.ones(2)
same_code = usual.code == late.code == copied.code and pickle.loads(pickle.dumps(usual)).code == pickled.code
same_answer = all(torch.equal(one(x), usual(x)) for one in (late, copied, pickled))
print(generated, same_code, same_answer, str(late) == str(usual), GraphModule.recompile is own)
"""

    assert output_of(code, tmp_path) == "False True True True True"


def test_a_registered_kernel_is_not_registered_again(tmp_path: Path) -> None:
    """The same error as PyTorch's; the kernel is used."""
    code = """
import torch
from etbuild.compile import compiler_imports
compiler_imports.load_torch()
compiler_imports.load_torch()
library = torch.library.Library("mine", "DEF")
library.define("twice(Tensor x) -> Tensor")
twice = torch.ops.mine.twice.default
key = torch._C.DispatchKey.CompositeImplicitAutograd

def kernel(x):
    return x + x

print(twice.py_impl(key)(kernel) is kernel, twice.py_kernels[key] is kernel)
try:
    twice.py_impl(key)(kernel)
except RuntimeError as error:
    print(error)
"""

    assert output_of(code, tmp_path).splitlines() == [
        "True True",
        "Trying to override a python impl for DispatchKey.CompositeImplicitAutograd on operator mine::twice",
    ]


def test_the_types_of_a_saved_programs_fields_are_the_same(tmp_path: Path) -> None:
    """For every class of its schema."""
    code = """
import dataclasses, typing
from etbuild.compile import patches
patches.cache_type_hints()
from torch._export.serde import schema, serialize
classes = [one for one in vars(schema).values() if dataclasses.is_dataclass(one)]
same = [serialize.typing.get_type_hints(one, globalns=vars(schema)) == typing.get_type_hints(one, globalns=vars(schema))
        for one in (*classes, *classes)]
print(len(classes) > 30, all(same))
"""

    assert output_of(code, tmp_path) == "True True"


DECOMPOSE = """
import torch
from etbuild.compile import compiler_imports, patches
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
        with patches.skip_empty_decompositions():
            print(function.__name__, lowered(function, npu, None) == usual, traced[-2:])
shapes = [{0: Dim("rows", min=1, max=9)}]
usual = lowered(plain, False, shapes)
with patches.skip_empty_decompositions():
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


def test_without_guards_and_checks_the_program_is_the_same(tmp_path: Path) -> None:
    """A program that is exported again and saved, with the results that PyTorch discards, and without."""
    code = """
from contextlib import nullcontext
from pathlib import Path
import torch
from etbuild.compile import compiler_imports, patches
from etbuild.compile.exported_program import make_portable
compiler_imports.load_executorch()
from torch._dynamo import guards

made = []
build = guards.CheckFunctionManager.build_guards
guards.CheckFunctionManager.build_guards = lambda *a, **k: made.append("guards") or build(*a, **k)
from torch._export.serde import serialize
canonical = serialize.canonicalize
serialize.canonicalize = lambda *a: made.append("canonical") or canonical(*a)

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, 4))
    def forward(self, x):
        return torch.relu(torch.nn.functional.linear(x, self.weight)).flatten()

x = (torch.ones(2, 4),)
module = torch.export.export(Model(), x, strict=True).module(check_guards=False)
patched = patches.export_without_guards, patches.save_without_canonicalizing
for exporting, saving in ((nullcontext, nullcontext), patched):
    made.clear()
    torch.compiler.reset()
    with exporting():
        program = torch.export.export(module, x, strict=True)
    make_portable(program)
    with saving():
        torch.export.save(program, "program.pt2")
    print(sorted(made), file=open("made", "a"))
    Path("program.pt2").rename(f"{len(list(Path.cwd().glob('*.saved')))}.saved")
print(Path("made").read_text(), Path("0.saved").read_bytes() == Path("1.saved").read_bytes())
"""

    assert output_of(code, tmp_path).split("\n") == ["['canonical', 'guards']", "[]", " True"]


def test_a_range_that_is_searched_in_numbers_is_the_same(tmp_path: Path) -> None:
    """Of few values and of many, of both signs and of one, with values far from the others, and of equal values."""
    code = """
import torch
from etbuild.compile import patches
from torchao.quantization.pt2e.observer import HistogramObserver

own = HistogramObserver._non_linear_param_search
torch.manual_seed(0)
kinds = {
    "normal": lambda x: x, "positive": torch.relu, "far": lambda x: x ** 5, "equal": torch.ones_like,
    "rare": lambda x: x * (torch.rand_like(x) > 0.99),
}
same = []
for kind in kinds.values():
    for count in (1, 7, 300, 20000):
        observer = HistogramObserver(dtype=torch.int8, quant_min=-128, quant_max=127)
        for number in range(3):
            observer(kind(torch.randn(1, count) * (number + 1)))
        usual = own(observer)
        with patches.search_histograms_in_numbers():
            numbers = observer._non_linear_param_search()
        same.append(all(torch.equal(one, other) for one, other in zip(usual, numbers)))
print(all(same), len(same), HistogramObserver._non_linear_param_search is own)
"""

    assert output_of(code, tmp_path) == "True 20 True"


def test_guards_without_a_search_for_equal_terms_accept_and_refuse_the_same(tmp_path: Path) -> None:
    """A strict export is the same; conditions that are true or false with the search are so without."""
    code = """
import torch
from etbuild.compile import compiler_imports, patches
compiler_imports.load_torch()
from torch._dynamo import guards

searched = []
count = guards.PyExprCSEPass.count
guards.PyExprCSEPass.count = lambda self, parts: searched.append(len(parts)) or count(self, parts)

def accepts(value):
    parts = ["L[0].size + L[0].size > 2", "L[0].size * 2 != 8"]
    _, code = guards.build_guard_function(parts, "")
    scope = {}
    exec(code, scope)
    return scope["___make_guard_fn"]()([type("One", (), {"size": value})])

def exported():
    torch.compiler.reset()
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    return torch.export.export(module, (torch.ones(2, 4),), strict=True).graph_module.code

usual = [*map(accepts, range(6))], exported()
done = len(searched)
with patches.guards_as_they_are():
    print(([*map(accepts, range(6))], exported()) == usual, done > 6, len(searched) == done)
"""

    assert output_of(code, tmp_path) == "True True True"
