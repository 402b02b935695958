"""Which memory a program needs when: planned tensors of the .pte, what Vela allocates, and the board's regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.pte.reader import read

if TYPE_CHECKING:
    from etbuild.pte.program import Instruction, Method

Json = dict[str, Any]


class Planned(NamedTuple):
    """A tensor of the program in a planned buffer. first, last: instructions that use it."""

    value: int
    buffer: int
    offset: int
    bytes: int
    first: int
    last: int
    text: str


class Plan(NamedTuple):
    """The planned buffers of a program.

    instructions: what each is. buffers: bytes of each. peak: the largest sum of live tensors of all buffers, and at
    which instruction.
    """

    instructions: tuple[str, ...]
    buffers: tuple[int, ...]
    tensors: tuple[Planned, ...]
    peak_bytes: int
    peak_at: int


class Placed(NamedTuple):
    """A buffer that Vela has placed in the NPU's working memory. first, last: layers, numbered over all delegates."""

    name: str
    usage: str
    memory: str
    offset: int
    bytes: int
    first: int
    last: int


def placed_buffers(delegates: Sequence[Json]) -> list[Placed]:
    """Those whose time of use is known, in the order of the layers. delegates: of vela.json."""
    found, before = list[Placed](), 0
    for one in delegates:
        for row in one.get("buffers", ()):
            if row["first_layer"] is not None:
                life = before + row["first_layer"], before + row["last_layer"]
                found.append(Placed(row["name"], row["usage"], row["memory"], row["offset"], row["bytes"], *life))
        before += len(one["layers"])
    return sorted(found, key=lambda one: (one.first, one.memory, one.offset))


def plan_of(pte: Path) -> Plan:
    """Of the first method of a .pte.

    raises: BadPte.
    """
    method = read(pte).methods[0]
    steps = tuple(one for chain in method.chains for one in chain.instructions)
    tensors = tuple(_tensors(method, steps))
    live = [sum(one.bytes for one in tensors if one.first <= step <= one.last) for step in range(len(steps))]
    peak = max(live, default=0)
    names = tuple(_name(method, step) for step in steps)
    return Plan(names, method.buffer_sizes[1:], tensors, peak, live.index(peak) if live else 0)


def _tensors(method: Method, steps: tuple[Instruction, ...]) -> Iterator[Planned]:
    from etbuild.pte.program import DelegateCall, Indices, KernelCall, Tensor

    uses: dict[int, list[int]] = {}
    for number, step in enumerate(steps):
        for arg in step.args if isinstance(step, KernelCall | DelegateCall) else ():
            value = method.values[arg] if arg >= 0 else None
            for one in value.items if isinstance(value, Indices) else (arg,):
                uses.setdefault(one, []).append(number)
    for index in method.inputs:
        uses.setdefault(index, []).append(0)
    for index in method.outputs:
        uses.setdefault(index, []).append(len(steps) - 1)
    for index, value in enumerate(method.values):
        if isinstance(value, Tensor) and value.allocation and index in uses:
            what = "input " if index in method.inputs else "output " if index in method.outputs else ""
            text = f"{what}{value.dtype}[{', '.join(map(str, value.sizes))}]"
            at = value.allocation
            yield Planned(index, at.memory_id, at.offset, value.bytes, min(uses[index]), max(uses[index]), text)


def _name(method: Method, step: Instruction) -> str:
    from etbuild.pte.program import DelegateCall, KernelCall

    if isinstance(step, KernelCall):
        return str(method.operators[step.operator])
    if isinstance(step, DelegateCall):
        return f"delegate {step.delegate} (NPU)"
    return type(step).__name__.removesuffix("Call").lower()
