"""What differs between two command streams, operation by operation. It executes nothing and checks no addresses.

Operations of the same layer and kind are the same operation, in the streams' order. A register that two operations have
differently is a difference of the first operation that it was written for; what follows only inherits it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from etbuild.npu.command_stream import Command, decode, parse_payload
from etbuild.npu.command_table import Operation
from etbuild.npu.disassembler import text

if TYPE_CHECKING:
    from etbuild.npu.debug_database import Layers

# What a register with such a name holds follows from where tensors, weights and streams lie.
_ADDRESS = re.compile(r"_(BASE\d?|LENGTH|REGION|STRIDE_[XYC])$|^DMA0_(SRC|DST)")


@dataclass(frozen=True)
class Work:
    """One operation of a stream with the registers that it runs with.

    number:    counted from 0, as in errors and traces.
    layer:     the tensor that it computes; "" where it is not known.
    name:      of the operation, with its mode: "POOL AVERAGE".
    registers: the text of each register's value by its name.
    written:   those that were written since the operation before.
    """

    number: int
    layer: str
    name: str
    registers: dict[str, str]
    written: frozenset[str]


@dataclass(frozen=True)
class Change:
    """One difference. before, after: numbers of the operation, None where one stream has no such operation.

    registers: the values before and after by name. addresses: whether registers of addresses are all of them.
    """

    layer: str
    name: str
    before: int | None
    after: int | None
    registers: dict[str, tuple[str, str]]

    @property
    def addresses(self) -> bool:
        return bool(self.registers) and all(is_address(name) for name in self.registers)


def is_address(register: str) -> bool:
    """Whether a register holds an address, a length of data or a stride of a tensor."""
    return _ADDRESS.search(register) is not None


def operations(payload: bytes, layers: Layers) -> list[Work]:
    """The operations of a driver payload that compute or move data, but for those that only wait.

    raises: BadPte, StreamError.
    """
    job = parse_payload(payload)
    found: list[Work] = []
    state: dict[str, str] = {}
    written: set[str] = set()
    number = 0
    for command in decode(job.words, job.family):
        if not command.is_operation:
            name, value = _register(command)
            state[name] = value
            written.add(name)
            continue
        if isinstance(command.entry, Operation) and command.entry.semantics != "none":
            name = " ".join(text(command).split())
            found.append(Work(number, layers.tensor_at(command.word), name, dict(state), frozenset(written)))
            written.clear()
        number += 1
    return found


def changes(before: Sequence[Work], after: Sequence[Work]) -> Iterator[Change]:
    """The differences, in the order of the streams."""
    pairs = SequenceMatcher(None, [_key(one) for one in before], [_key(one) for one in after], autojunk=False)
    for tag, low, high, first, last in pairs.get_opcodes():
        if tag == "equal":
            for old, new in zip(before[low:high], after[first:last], strict=True):
                if registers := _registers(old, new):
                    yield Change(new.layer, new.name, old.number, new.number, registers)
            continue
        for old in before[low:high]:
            yield Change(old.layer, old.name, old.number, None, {})
        for new in after[first:last]:
            yield Change(new.layer, new.name, None, new.number, {})


def _key(work: Work) -> tuple[str, str]:
    return work.layer, work.name


def _registers(old: Work, new: Work) -> dict[str, tuple[str, str]]:
    names = sorted(old.written | new.written)
    found = {name: (old.registers.get(name, ""), new.registers.get(name, "")) for name in names}
    return {name: values for name, values in found.items() if values[0] != values[1]}


def _register(command: Command) -> tuple[str, str]:
    """Name and value; those of a register that is not known are its numbers."""
    name, _, value = text(command).partition(" ")
    return (name, " ".join(value.split())) if command.entry else (f"{command.code:#x}", f"{command.raw:#x}")
