"""The values of a quantised program's nodes that a run of its .pte stored, and where they first differ from the TOSA
graphs. It measures no error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.pte.program import DelegateCall
from etbuild.verify.first_wrong_operation import by_tensor, compared
from etbuild.verify.host_run import columns_of
from etbuild.verify.stored_tensors import flat, in_the_programs_order

if TYPE_CHECKING:
    from etbuild.host.recording import Done, RecordedProgram, Recording
    from etbuild.npu.debug_database import Layers
    from etbuild.verify.first_wrong_operation import Wrong
    from etbuild.verify.tosa_reference import TosaGraph

UNKNOWN_ORDER = "its operations store it in parts whose order is not known"
NOT_STORED = "no operation of the command stream stores it: Vela joins it with an operation before or behind it"
NO_TENSOR = "no tensor of the delegate is known to have its value: lowering joins it with others, or changes its layout"
SEVERAL_TIMES = "it is in a loop or branch"
NOT_ALONE = "no instruction of the program is known to leave it: the backend joins it with others"

# The tensors of a delegate's TOSA graph, by number of the delegate and name.
References = dict[tuple[int, str], Any]


@dataclass(frozen=True)
class Built:
    """What is known of a .pte.

    tensors:      of each delegate, as operators.json has them; its instructions.
    layers:       of each delegate's stream, by Vela's debug database.
    graphs:       of each delegate.
    """

    tensors: Sequence[dict[str, Any]]
    instructions: dict[str, list[str]]
    layers: Sequence[Layers]
    graphs: Sequence[TosaGraph]

    def node_of(self, delegate: int, tensor: str) -> str:
        """The node of the quantised program that a tensor is made from, "" where it is not known."""
        return str(self.tensors[delegate].get(tensor, {}).get("node", ""))


class OperationError(StepError):
    """An operation of a delegate fails. tensor: that it should compute."""

    def __init__(self, message: str, delegate: int, tensor: str, node: str):
        layer = f", from {node} of the quantised program" if node else ""
        super().__init__(f"{message}\n    in delegate {delegate}, layer {tensor}{layer}")
        self.delegate, self.tensor = delegate, tensor


@dataclass(frozen=True)
class Difference:
    """Where a stored tensor first differs from its TOSA graph."""

    delegate: int
    tensor: str
    wrong: Wrong


@dataclass(frozen=True)
class Executed:
    """A run.

    values:      by node of the quantised program.
    unseen:      why there is no value, by node that has a tensor.
    inside:      the nodes that are inside delegates.
    compared:    the nodes whose value a TOSA graph has too, and is stored as that.
    differing:   how many elements of a node's value differ from that.
    differences: in the order of the run.
    """

    recording: Recording
    values: dict[str, Any] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    inside: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)
    differing: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def references_of(built: Built, golden: dict[str, Any], vector: int) -> References:
    """What the TOSA graphs compute from golden's inputs of the delegates. golden: the arrays of golden.npz."""
    found: References = {}
    for number, graph in enumerate(built.graphs):
        inputs = columns_of(golden, f"delegate_{number}_input")
        if not inputs and graph.specs[0]:
            continue
        names = [name for name in dict.fromkeys(built.layers[number].tensors) if name]
        values = graph.intermediates([column[vector] for column in inputs], names)
        found |= {(number, name): value for name, value in values.items()}
    return found


def executed(program: RecordedProgram, built: Built, inputs: Sequence[Any], references: References) -> Executed:
    """Run a program. inputs: of one vector. references: of the same vector.

    raises: OperationError for an operation of a delegate that fails; StepError for what else the program cannot do.
    """
    try:
        made = Executed(program.record(*inputs))
    except StepError as error:
        last = program.reached()
        if last is None or last.delegate is None:
            raise
        tensor = built.layers[last.delegate].tensor_at(last.word + 1)
        raise OperationError(str(error), last.delegate, tensor, built.node_of(last.delegate, tensor)) from error
    times = Counter(one.instruction for one in made.recording.done)
    for one in made.recording.done:
        names = built.instructions.get(str(one.instruction), [])
        call = program.method.chains[0].instructions[one.instruction]
        if isinstance(call, DelegateCall):
            made.inside.update(names)
        if times[one.instruction] > 1:
            made.unseen.update(dict.fromkeys(names, SEVERAL_TIMES))
        elif isinstance(call, DelegateCall):
            _add_delegate(built, call.delegate, one, references, made)
        elif names and one.values:
            made.values[names[-1]] = one.values[0]
    return made


def _add_delegate(built: Built, delegate: int, done: Done, references: References, made: Executed) -> None:
    tensors, differences = built.tensors[delegate], []
    for name, results in by_tensor(done.results, built.layers[delegate]).items():
        right, known = references.get((delegate, name)), tensors.get(name, {})
        node = known.get("value", "")
        values, wrong = compared(results, right) if right is not None else (flat(results), None)
        if right is not None and values is not None:
            made.compared.add(node)
        if wrong:
            differences.append(Difference(delegate, name, wrong))
            made.differing[node] = made.differing.get(node, 0) + wrong.differing
        found = None if values is None or not node else in_the_programs_order(values, known)
        if found is not None:
            made.values.setdefault(node, found)
        elif node:
            made.unseen.setdefault(node, UNKNOWN_ORDER)
    for known in tensors.values():
        if known.get("value"):
            made.unseen.setdefault(known["value"], NOT_STORED)
    made.differences.extend(sorted(differences, key=lambda one: one.wrong.result.operation))
