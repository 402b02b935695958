"""The remembered properties of a signature are those that PyTorch computes, after any change."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import output_of

pytestmark = pytest.mark.e2e

# Each line: what was changed, whether all properties are those without the patch, how many were computed again.
COMPARED = """
import copy
from torch.export import graph_signature as made
from etbuild.compile import signature_patches

Signature, In, Out = made.ExportGraphSignature, made.InputSpec, made.OutputSpec
Tensor, Kind, Result = made.TensorArgument, made.InputKind, made.OutputKind
names = signature_patches._PROPERTIES
own = {name: vars(Signature)[name].fget for name in names}
computed = []
for name, compute in own.items():
    def counted(self, compute=compute):
        computed.append(compute)
        return compute(self)
    setattr(Signature, name, property(counted))

signature = Signature(
    [
        In(Kind.PARAMETER, Tensor("p_a"), "a"), In(Kind.BUFFER, Tensor("b_b"), "b", True),
        In(Kind.CONSTANT_TENSOR, Tensor("c_c"), "c"), In(Kind.USER_INPUT, Tensor("x"), None),
        In(Kind.USER_INPUT, made.ConstantArgument("n", 3), None),
    ],
    [Out(Result.BUFFER_MUTATION, Tensor("new"), "b"), Out(Result.USER_OUTPUT, Tensor("y"), None)],
)
inputs, outputs = signature.input_specs, signature.output_specs

def add():
    inputs.append(In(Kind.BUFFER, Tensor("b_d"), "d", False))

def replace():
    signature.output_specs = [outputs[1]]

changes = {
    "nothing": lambda: None,
    "target": lambda: setattr(inputs[0], "target", "other"),
    "name": lambda: setattr(inputs[3].arg, "name", "z"),
    "value": lambda: setattr(inputs[4].arg, "value", 4),
    "kind": lambda: setattr(inputs[2], "kind", Kind.PARAMETER),
    "added": add,
    "removed": lambda: inputs.pop(0),
    "outputs": replace,
    "again": lambda: None,
}

def compared(one):
    computed.clear()
    read = {name: getattr(one, name) for name in names}
    count = len(computed)
    return read == {name: compute(one) for name, compute in own.items()}, count

with signature_patches.remembered_signatures():
    print("first", *compared(signature), len(names))
    for name, change in changes.items():
        change()
        print(name, *compared(signature))
    other = copy.deepcopy(signature)
    other.input_specs[0].target = "of the copy"
    print("copy", *compared(other))
    print("first one", *compared(signature))
print("afterwards", *compared(signature), "__setattr__" in vars(In) and In.__setattr__ is object.__setattr__)
"""


def test_properties_of_a_signature_are_computed_again_after_each_change(tmp_path: Path) -> None:
    """Of an entry, its argument, or the lists, in place too; without one, none is computed. A copy has its own."""
    assert output_of(COMPARED, tmp_path).splitlines() == [
        *("first True 12 12", "nothing True 0", "target True 12", "name True 12", "value True 12", "kind True 12"),
        *("added True 12", "removed True 12", "outputs True 12", "again True 0", "copy True 12", "first one True 12"),
        "afterwards True 12 True",
    ]
