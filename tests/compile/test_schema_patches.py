"""Objects of a saved program that are made by type are those that PyTorch makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e

# Prints how often PyTorch's own function was called with the patch, and whether the objects and the errors are equal.
READ = """
import json, zipfile
import torch
from etbuild.compile import schema_patches
from torch._export.serde import schema, serialize

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3)
        self.register_buffer("scale", torch.tensor(0.5), persistent=False)
    def forward(self, x, n: int = 3, flag: bool = True):
        y = torch.max_pool2d(self.conv(x), 2, ceil_mode=flag) * self.scale
        return torch.cond(y.sum() > 0, lambda y: y + 1.5, lambda y: y - 1, (y,)), torch.cat([y, y]), float("inf") * n

rows = torch.export.Dim("rows", min=1, max=9)
shapes = {"x": {0: rows}, "n": None, "flag": None}
program = torch.export.export(Net(), (torch.ones(2, 1, 8, 8), 3, True), dynamic_shapes=shapes)
torch.export.save(program, "net.pt2")
archive = zipfile.ZipFile("net.pt2")
name = next(one for one in archive.namelist() if one.endswith(".json") and "/models/" in one)
data = json.loads(archive.read(name))

own = serialize._dict_to_dataclass
calls = []
def counting(cls, data):
    calls.append(cls)
    return own(cls, data)
counting.__wrapped__ = own
usual = own(schema.ExportedProgram, data)
serialize._dict_to_dataclass = counting

def error(read):
    try:
        return repr(read())
    except Exception as error:
        return type(error).__name__, str(error)

wrong = {
    "two": (schema.Argument, {"as_int": 1, "as_bool": True}), "none": (schema.Argument, {}),
    "unknown": (schema.Argument, {"as_other": 1}), "no dict": (schema.Argument, [1]),
    "no list": (schema.Graph, 3), "more": (schema.TensorArgument, {"name": "x", "other": 1}), "less": (schema.Node, {}),
    "name": ("int", 3), "list": (int, [1]),
}
usual_errors = {key: error(lambda: own(*given)) for key, given in wrong.items()}
calls.clear()
with schema_patches.fields_by_type():
    made = serialize._dict_to_dataclass(schema.ExportedProgram, data)
    print(len(calls), repr(made) == repr(usual), made == usual)
    for key, given in wrong.items():
        found = error(lambda: serialize._dict_to_dataclass(*given))
        print(key, found == usual_errors[key], usual_errors[key][0][:12])
print(serialize._dict_to_dataclass is counting)
"""


def test_a_program_is_read_as_pytorch_reads_it(tmp_path: Path) -> None:
    """With branches, symbolic shapes and an infinite number; what PyTorch refuses is refused with its words."""
    lines = output_of(READ, tmp_path).splitlines()

    assert lines[0] == "0 True True"
    assert [line for line in lines[1:-1] if line.split(" ")[-2] != "True" and " True " not in line] == []
    assert lines[-1] == "True"
