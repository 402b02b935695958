"""Compares the tensors of each delegate in the program, in its TOSA graph and in Vela's stream. It changes nothing.

Each hand-over may lose an output or change a type, and nothing at run time would notice: the program would read memory
that nothing writes, or bytes of another type.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.pte.flatbuffer import Bytes
from etbuild.pte.schema import SCALAR_TYPES
from etbuild.pte.vela import read_blocks, read_io

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered

# Of TOSA's DType: the name, the bytes of an element in memory.
_TOSA = {
    1: ("bool", 1),
    2: ("int4", 1),
    3: ("int8", 1),
    4: ("int16", 2),
    5: ("int32", 4),
    6: ("int48", 8),
    7: ("float32", 4),
    8: ("float16", 2),
    9: ("bfloat16", 2),
    17: ("int64", 8),
}
_LEFT_OUT = "an output that the NPU also reads itself is left out, and would never be written"
_REMEDY_FOR_BUFFERS = (
    "    write rows of {} along its first axis that has more than one element, as in [1, positions, width], and split\n"
    "    what is read of it; or make it an input and an output of the model, and keep it in the application"
)
_REMEDY = (
    "    what it has to give depends on the operators that are not on the NPU: partition.json says why they are not"
)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a delegate. dtype: "" where only the size of an element is known."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    element_bytes: int
    is_read: bool = False  # an output that an operator of the same graph reads

    @property
    def elements(self) -> int:
        """How many it has."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        dtype = self.dtype or f"{self.element_bytes}-byte elements"
        return f"{self.name or 'a tensor'} ({dtype}{list(self.shape)})"

    def agrees(self, other: Tensor) -> bool:
        """Whether the bytes of one are those of the other: signs and the order of dimensions may differ."""
        if "int4" in (self.dtype, other.dtype):
            return True  # two elements may share a byte
        floating = [one.dtype.startswith(("float", "bfloat")) for one in (self, other) if one.dtype]
        same = self.elements == other.elements and self.element_bytes == other.element_bytes
        return same and len(set(floating)) < 2


Ports = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Inputs and outputs."""


def check_graphs(lowered: Lowered, graphs: Sequence[bytes]) -> None:
    """Compare the program's calls with the TOSA graphs.

    graphs: one per delegate, in order.
    raises: StepError for another number, size or type of tensors.
    """
    for index, tensors in _calls(lowered):
        _compare_call(index, tensors, graph_ports(graphs[index]), ("in its TOSA graph", "its TOSA graph"))


def check_delegate_calls(lowered: Lowered, streams: Sequence[bytes]) -> None:
    """Compare the program's calls with the streams of Vela, without the graphs between them.

    streams: one per delegate, in order.
    raises:  StepError for another number, size or type of tensors.
    """
    for index, tensors in _calls(lowered):
        _compare_call(index, tensors, stream_ports(streams[index]), ("from Vela", "Vela"))


def _compare_call(index: int, passed: Sequence[Tensor], ports: Ports, names: tuple[str, str]) -> None:
    """passed: inputs, then outputs. names: of where the ports are, in a sentence and alone."""
    (inputs, outputs), (where, name) = ports, names
    count = len(inputs)
    if len(passed) != count + len(outputs):
        raise StepError(
            f"delegate {index}: got {count} inputs and {len(outputs)} outputs {where}, wanted {len(passed)} "
            f"together as the program passes\n{_REMEDY}"
        )
    _compare(index, ("the program", passed[:count]), (name, inputs), "input")
    _compare(index, ("the program", passed[count:]), (name, outputs), "output")


def check_stream(index: int, graph: bytes, stream: bytes, buffers: Mapping[int, str] | None = None) -> None:
    """Compare a TOSA graph with the stream that Vela made of it.

    Vela leaves out an output that an operator of the same graph reads too.
    buffers: the buffers of the model that the delegate writes, by its outputs.
    raises:  StepError for another number, size or type of tensors; it names the output that is lost, or what it is to
             the model.
    """
    for side, wanted, got in zip(("input", "output"), graph_ports(graph), stream_ports(stream), strict=True):
        if len(got) < len(wanted):
            lost, missing = _lost(wanted, got), len(wanted) - len(got)
            what, remedy = f"{wanted[lost[0]]} is lost", _REMEDY
            if side == "output" and buffers and set(lost) <= buffers.keys():
                names = [buffers[number] for number in lost]
                what = f"what the model writes to {'one of ' * (len(lost) > missing)}{_named(names)} is lost"
                remedy = _REMEDY_FOR_BUFFERS.format(f"self.{names[0]}")
            why = f": {_LEFT_OUT}" if side == "output" else ""
            raise StepError(
                f"delegate {index}: got {len(got)} {side}s from Vela, wanted {len(wanted)}: {what}{why}\n{remedy}"
            )
        _compare(index, ("its TOSA graph", wanted), ("Vela", got), side)


def graph_ports(graph: bytes) -> Ports:
    """Inputs and outputs of a TOSA graph."""
    from tosa.TosaGraph import TosaGraph

    block = TosaGraph.GetRootAs(graph, 0).Regions(0).Blocks(0)
    tensors = {one.Name(): one for one in (block.Tensors(i) for i in range(block.TensorsLength()))}
    inputs = [block.Inputs(i) for i in range(block.InputsLength())]
    outputs = [block.Outputs(i) for i in range(block.OutputsLength())]
    operators = [block.Operators(i) for i in range(block.OperatorsLength())]
    read = {one.Inputs(i) for one in operators for i in range(one.InputsLength())}
    return (
        tuple(_of_tosa(tensors[name]) for name in inputs),
        tuple(_of_tosa(tensors[name], name in read) for name in outputs),
    )


def stream_ports(stream: bytes) -> Ports:
    """Inputs and outputs of a stream of Vela's."""
    blocks = {block.name: block.data or b"" for block in read_blocks(Bytes(memoryview(stream), "stream", 0))}

    def side(name: str) -> tuple[Tensor, ...]:
        found = read_io(Bytes(memoryview(blocks[name]), "stream", 0), name)
        return tuple(Tensor("", one.shape, "", one.element_bytes) for one in found)

    return side("inputs"), side("outputs")


def _of_tosa(tensor: Any, is_read: bool = False) -> Tensor:
    dtype, size = _TOSA.get(tensor.Type(), (f"TOSA type {tensor.Type()}", 0))
    shape = tuple(int(one) for one in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    return Tensor(tensor.Name().decode(), shape, dtype, size, is_read)


def _calls(lowered: Lowered) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """The delegate, by its number in the program, and the tensors of each call."""
    for one in lowered.methods.values():
        plan, first = one.plan, one.own_delegates.start
        for chain in plan.chains:
            for instruction in chain.instructions:
                call = instruction.instr_args
                if hasattr(call, "delegate_index"):
                    yield first + call.delegate_index, tuple(_of_program(plan.values[index].val) for index in call.args)


def _of_program(value: Any) -> Tensor:
    """raises: StepError for what is no tensor."""
    if type(value).__name__ != "Tensor":
        raise StepError(f"a delegate's argument: got {type(value).__name__}, wanted a tensor")
    scalar = SCALAR_TYPES[int(value.scalar_type)]
    return Tensor("", tuple(value.sizes), scalar.name, scalar.bits // 8)


def _compare(index: int, one: tuple[str, Sequence[Tensor]], other: tuple[str, Sequence[Tensor]], side: str) -> None:
    (first, wanted), (second, got) = one, other
    for number, (a, b) in enumerate(zip(wanted, got, strict=False)):
        if not a.agrees(b):
            raise StepError(f"delegate {index}, {side} {number}: got {a} in {first} but {b} in {second}\n{_REMEDY}")


def _lost(wanted: Sequence[Tensor], got: Sequence[Tensor]) -> list[int]:
    """The positions of those that may be missing: what the graph reads itself and the others' types allow; if there is
    nothing of the kind, the first without a partner in order."""
    read = [number for number, one in enumerate(wanted) if one.is_read]
    choices = list(islice(combinations(read, len(wanted) - len(got)), 1000))
    rests = ([one for number, one in enumerate(wanted) if number not in choice] for choice in choices)
    agree = [all(one.agrees(other) for one, other in zip(rest, got, strict=True)) for rest in rests]
    if any(agree):
        return sorted({number for choice, fits in zip(choices, agree, strict=True) if fits for number in choice})
    left = list(got)
    for number, one in enumerate(wanted):
        if not left or not one.agrees(left[0]):
            return [number]
        left.pop(0)
    return [len(wanted) - 1]


def _named(buffers: Sequence[str]) -> str:
    """ "the buffer keys", "the buffers keys and values"."""
    return f"the buffer{'s' * (len(buffers) > 1)} {' and '.join(buffers)}"
