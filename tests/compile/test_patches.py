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
