"""Compares the tensors that a program gives to its delegates with those that Vela compiled. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.pte.vela import blocks_of

if TYPE_CHECKING:
    from etbuild.compile.lowered import Lowered


def check_delegate_calls(lowered: Lowered, streams: Sequence[bytes]) -> None:
    """Vela leaves out an output of a graph that an operator of the same graph reads too. No runtime writes it then, and
    what reads it on the CPU computes with old memory.

    streams: one per delegate, in order.
    raises:  StepError for a call with another number of tensors than its command stream has.
    """
    for index, given in _calls(lowered):
        inputs, outputs = (_count(streams[index], side) for side in ("inputs", "outputs"))
        if given != inputs + outputs:
            raise StepError(
                f"delegate {index}: got {inputs} inputs and {outputs} outputs from Vela, wanted {given} together: an "
                "output that the NPU also reads itself is left out, and would never be written\n"
                "    change the model so that the operators after it are on the NPU too; partition.json says why not"
            )


def _calls(lowered: Lowered) -> Iterator[tuple[int, int]]:
    """The delegate and the number of tensors of each call."""
    for plan in lowered.program.execution_plan:
        for chain in plan.chains:
            for instruction in chain.instructions:
                call = instruction.instr_args
                if hasattr(call, "delegate_index"):
                    yield call.delegate_index, len(call.args)


def _count(stream: bytes, side: str) -> int:
    """How many tensors a block has; see etbuild.pte.vela."""
    payload = next((block.data or b"" for block in blocks_of(stream) if block.name == side), b"")
    return int.from_bytes(payload[:4], "little")
