"""Finds the convolutions of a command stream that have fewer channel scales than output channels. It reads no weights.

A convolution whose output is scaled by channel reads a record of bias and scale for each channel of its output, from
SCALE_LENGTH bytes at SCALE_BASE (with two cores, also from SCALE1_BASE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etbuild.npu.command_stream import Command, Job, decode

RECORD_BYTES = 10
"""Of a channel's bias and scale."""


@dataclass(frozen=True)
class Shortage:
    """A convolution with too few scales.

    operation, word: number of the operation, and its index in the command stream (32-bit words).
    name:            CONV or DEPTHWISE.
    scales:          how many there are.
    channels:        of its output.
    """

    operation: int
    word: int
    name: str
    scales: int
    channels: int

    def __str__(self) -> str:
        where = f"operation {self.operation} of its command stream, {self.name} (word {self.word})"
        return f"{where}: got scales and weights of {self.scales} channels, wanted {self.channels} as its output has"


def shortages(job: Job) -> Iterator[Shortage]:
    """The convolutions with too few scales, in the order of the stream."""
    registers: dict[str, Command] = {}
    operation = 0
    for command in decode(job.words, job.family):
        if not command.is_operation:
            if command.entry:
                registers[command.entry.name] = command
            continue
        if command.entry and command.entry.name in ("CONV", "DEPTHWISE") and not _value(registers, "OFM_PRECISION"):
            channels = _value(registers, "OFM_DEPTH_M1")
            scales = sum(_value(registers, name) for name in ("SCALE_LENGTH", "SCALE1_LENGTH")) // RECORD_BYTES
            if scales < channels:
                yield Shortage(operation, command.word, command.entry.name, scales, channels)
        operation += 1


# The fields that are read, by register.
_FIELDS = {"OFM_PRECISION": "global_scale"}


def _value(registers: Mapping[str, Command], name: str) -> int:
    """A field of a register; 0 when the stream has not set it."""
    command = registers.get(name)
    if command is None or command.entry is None:
        return 0
    field = next(one for one in command.entry.fields if one.name == _FIELDS.get(name, "value"))
    return field.decode(command.raw) + field.plus
