"""A graph that is taken as it is gives the program that TorchDynamo gives, byte for byte."""

from __future__ import annotations

import pytest
from project import output_of

pytestmark = pytest.mark.e2e

# Each line: a name, whether both programs have the same bytes, and whether TorchDynamo has traced for the second.
COMPARED = """
from contextlib import nullcontext
from pathlib import Path
import torch
from etbuild.compile import compiler_imports, retracing
from etbuild.compile.exported_program import save_program
compiler_imports.load_executorch()
from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
from torch._dynamo import functional_export
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from etbuild.compile.profiles import reference_spec

traced = []
own = functional_export.fullgraph_capture
functional_export.fullgraph_capture = lambda *a, **k: traced.append(1) or own(*a, **k)
F, randn = torch.nn.functional, torch.randn

def again(module, inputs, keywords=None, shapes=None):
    return torch.export.export(module, inputs, keywords, dynamic_shapes=shapes, strict=True)

def compared(name, module, inputs, keywords=None, shapes=None):
    saved = []
    for context in (nullcontext, retracing.graphs_as_they_are):
        traced.clear()
        with context():
            save_program(again(module, inputs, keywords, shapes), Path("x.pt2"))
        saved.append(Path("x.pt2").read_bytes())
    print(name, saved[0] == saved[1], bool(traced), flush=True)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.last = torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 3)
        self.tied = self.last.weight
        self.plain = torch.tensor([0.5])
        self.register_buffer("kept", torch.ones(4, 1, 1))
    def forward(self, x, unused, y=None):
        x = torch.relu(self.norm(self.one(x))) + self.kept
        x = F.hardtanh(self.two(x) + self.two(-x) * x, 0.0, 6.0) + self.plain
        x = torch.cat((x, y, x.detach() * 2 ** 0.5), 1).mean((2, 3))[:, 4:8]
        return {"a": self.last(x).softmax(-1), "b": [x.amax(1), torch.full((2,), float("inf"))]}, F.linear(x, self.tied)

torch.manual_seed(0)
x = randn(1, 2, 8, 8), randn(3)
y = {"y": randn(1, 4, 8, 8)}
float_net = again(Net().eval(), x, y).module(check_guards=False)
compared("float", float_net, x, y)
quantizer = EthosUQuantizer(reference_spec("tosa-u55", True))
quantizer.set_global(get_symmetric_quantization_config())
prepared = prepare_pt2e(float_net, quantizer)
prepared(*x, **y)
compared("quantised", convert_pt2e(prepared), x, y)

def as_graph(function, *inputs, shapes=None):
    class Module(torch.nn.Module):
        def forward(self, *given):
            return function(*given)
    return torch.export.export(Module(), inputs, dynamic_shapes=shapes).module(check_guards=False)

def each(name, function, *inputs):
    compared(name, as_graph(function, *inputs), inputs)

one = randn(4, 2)
each("two results", lambda x: torch.split(x, 2)[1] + 1, one)
each("an input", lambda x: (x, x + 1), one)
each("in place", lambda x: (x + 1).add_(1), one)
each("unused", lambda x: x + (x.to(torch.float64) * 0).to(torch.float32), one)
each("a number", lambda x: x + x.sum().to(torch.int64).item(), one)
each("branch", lambda x: torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,)), one)
dim = torch.export.Dim("n", min=2, max=9)
compared("symbolic", as_graph(lambda x: x + 1, one, shapes=(({0: dim},),)), (one,), shapes=({0: dim},))
compared("twice", as_graph(lambda x, y: x + y, one, one + 1), (one, one))
compared("a module", Net().eval(), x, y)
retracing.SOURCE_OF_TORCH_IR = "0"
compared("other text", float_net, x, y)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the code above prints, in one process: importing ExecuTorch takes longer than the rest."""
    printed = output_of(COMPARED, tmp_path_factory.mktemp("compared")).splitlines()
    return {line.rsplit(" ", 2)[0]: line for line in printed}


def test_a_graph_of_operators_is_not_traced_by_dynamo_and_gives_the_same_bytes(results: dict[str, str]) -> None:
    """In floating point and quantised: tied weights, constants, unused and named inputs, nested outputs."""
    assert [results[name] for name in ("float", "quantised")] == ["float True False", "quantised True False"]


def test_what_dynamo_may_change_is_traced_by_it(results: dict[str, str]) -> None:
    """Several results, an input as output, operators in place, checks, numbers, branches, symbolic shapes, one tensor
    as two inputs, a module, and another version of PyTorch."""
    others = [line for name, line in results.items() if name not in ("float", "quantised")]

    assert others == [
        *("two results True True", "an input True True", "in place True True", "unused True True"),
        *("a number True True", "branch True True", "symbolic True True", "twice True True", "a module True True"),
        "other text True True",
    ]
