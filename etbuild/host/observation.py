"""What an observed run of a program did: events of operations and kernels, suspicious reads. It measures nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etbuild.host import abi

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_HAZARDS = {
    abi.NEVER_WRITTEN: "never written",
    abi.OVERWRITTEN: "overwritten",
    abi.UNREAD: "unread",
    abi.SHARED_TABLE: "shared table",
}


@dataclass(frozen=True)
class Event:
    """One operation of an NPU, or one kernel of the CPU.

    name:     of the NPU's operation ("CONV") or the CPU's operator ("aten::add.out").
    delegate: None on the CPU, where every figure after `duration_ns` is 0 or None.
    operation, word: number of the operation, and its index in the command stream (32-bit words).
    begin_ns: from an arbitrary start; durations are the emulator's, not an NPU's.
    read, written: bytes by region: 0 weights, 1 scratch, 2 fast scratch.
    weights:  how many there are, and how many of them are 0.
    ifm, ifm2, ofm: height, width, depth; None for a feature map that the operation does not have.
    range:    smallest and largest element of the result; None where it has none.
    """

    name: str
    instruction: int
    delegate: int | None
    operation: int
    word: int
    begin_ns: int
    duration_ns: int
    macs: int
    read: tuple[int, ...]
    written: tuple[int, ...]
    weights: tuple[int, int]
    ifm: tuple[int, ...] | None
    ifm2: tuple[int, ...] | None
    ofm: tuple[int, ...] | None
    range: tuple[int, int] | None


@dataclass(frozen=True)
class Hazard:
    """A suspicious access in a delegate's stream.

    kind:    "never written", "overwritten" (a part of the tensor belongs to another one), "unread" (a result is only
             read through a repeated dimension) or "shared table" (two operations of a chain look up one table). All but
             the first are hints, not proofs.
    writer:  of "overwritten": the operation that destroyed; else None.
    victim:  of "overwritten": whose result it was; of "shared table": the other operation; else None.
    """

    kind: str
    delegate: int
    operation: int
    region: int
    address: int
    writer: int | None
    victim: int | None

    def __str__(self) -> str:
        operation = f"delegate {self.delegate}, operation {self.operation}"
        if self.kind == "shared table":
            other = f"operation {self.victim} of its chain"
            return f"{operation}: looks up the same table as {other}; if two were meant, one is not loaded"
        where = f"{operation}: region {self.region}, byte {self.address:#x}"
        if self.kind == "overwritten":
            return f"{where}: reads the result of operation {self.victim}, overwritten by operation {self.writer}"
        return f"{where}: {'its result is mostly not read' if self.kind == 'unread' else 'reads what nothing wrote'}"


@dataclass(frozen=True)
class Observation:
    """The outputs of a run, its events in order, and its hazards."""

    outputs: tuple[Array, ...]
    events: tuple[Event, ...]
    hazards: tuple[Hazard, ...]


def event_of(raw: abi.Event) -> Event:
    """The event in a structure of the library."""
    name = ".".join(part.decode(errors="replace") for part in (raw.name, raw.overload) if part)
    ifm, ifm2, ofm = (tuple(shape) if any(shape) else None for shape in (raw.ifm, raw.ifm2, raw.ofm))
    return Event(
        name,
        raw.instruction,
        None if raw.delegate < 0 else raw.delegate,
        raw.operation,
        raw.word,
        raw.begin_ns,
        raw.duration_ns,
        raw.macs,
        tuple(raw.bytes_read),
        tuple(raw.bytes_written),
        (raw.weights, raw.zero_weights),
        ifm,
        ifm2,
        ofm,
        (raw.min, raw.max) if raw.elements else None,
    )


def hazard_of(raw: abi.Hazard) -> Hazard:
    """The hazard in a structure of the library."""
    overwritten = raw.kind == abi.OVERWRITTEN
    return Hazard(
        _HAZARDS[raw.kind],
        raw.delegate,
        raw.operation,
        raw.region,
        raw.address,
        raw.writer if overwritten else None,
        raw.victim if overwritten or raw.kind == abi.SHARED_TABLE else None,
    )
