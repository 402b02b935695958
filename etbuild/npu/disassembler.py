"""A command stream as text: one line per command, operations numbered as in errors and traces. It checks nothing."""

from __future__ import annotations

from collections.abc import Iterator

from etbuild.npu.command_stream import Command, decode, parse_payload
from etbuild.npu.command_table import Operation


def disassemble(payload: bytes) -> str:
    """The whole driver payload; raises BadPte when it is not one, StreamError when its stream is cut."""
    return "\n".join(lines(payload)) + "\n"


def lines(payload: bytes) -> Iterator[str]:
    """A line with the NPU, then the commands in order."""
    job = parse_payload(payload)
    yield f"{job.npu}: config {job.config:#010x}, {len(job.words)} words"
    index = 0
    for command in decode(job.words, job.family):
        if command.is_operation:
            yield f"{command.word:6}  {text(command)}    ; operation {index}"
            index += 1
        else:
            yield f"{command.word:6}      {text(command)}"


def text(command: Command) -> str:
    """One command, in the assembler's syntax when it is known."""
    entry = command.entry
    if entry is None:
        return f"unknown command {command.code:#x} of kind {command.kind}: {command.raw:#x}"
    modes = {mode.value: mode.name for mode in entry.modes} if isinstance(entry, Operation) else {}
    parts, known = [], 0
    for field in entry.fields:
        known |= (1 << field.bits) - 1 << field.low
        text = field.text(command.raw)
        if field.name == "mode":
            text = modes.get(field.decode(command.raw), text)
        parts.append(text if field.name in ("value", "mode") else f"{field.name}={text}")
    if command.raw & ~known:
        parts.append(f"other_bits={command.raw & ~known:#x}")
    name = entry.name.removesuffix("_M1")
    return f"{name:<20} {' '.join(parts)}".rstrip()
