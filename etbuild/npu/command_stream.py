"""Command streams as lists of commands, decoded and encoded. It executes nothing and checks no addresses."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from etbuild.errors import EtbuildError
from etbuild.npu.command_table import Operation, Register, load
from etbuild.pte.driver_payload import npu_name, product_of, read_commands, write_commands
from etbuild.pte.flatbuffer import Bytes


class StreamError(EtbuildError):
    """A command stream, or text for the assembler, that is not valid."""


@dataclass(frozen=True)
class Job:
    """The content of a driver payload. config, identity: the NPU's CONFIG and ID words. words: the command stream."""

    config: int
    identity: int
    words: tuple[int, ...]

    @property
    def family(self) -> str:
        """u55, u65 or u85."""
        return product_of(self.config)

    @property
    def npu(self) -> str:
        """As Vela spells it, e.g. "ethos-u55-128"."""
        return npu_name(self.config)


@dataclass(frozen=True)
class Command:
    """word: index of its first word. raw: the parameter or the register's new value. entry: None when unknown."""

    word: int
    code: int
    kind: int
    raw: int
    entry: Operation | Register | None

    @property
    def is_operation(self) -> bool:
        """Whether it counts as an operation in errors and traces."""
        return isinstance(self.entry, Operation) or (isinstance(self.entry, Register) and self.entry.operation)


def parse_payload(payload: bytes) -> Job:
    """The job in a driver payload, COP1 or COP2.

    raises: BadPte.
    """
    commands = read_commands(Bytes(memoryview(payload), "driver payload"))
    count = len(commands.words) // 4
    return Job(commands.configuration.word, commands.identity, struct.unpack(f"<{count}I", commands.words))


def build_payload(job: Job) -> bytes:
    """The driver payload of a job, in COP1."""
    return write_commands(job.config, job.identity, job.words)


def decode(words: Iterable[int], family: str) -> Iterator[Command]:
    """Commands in order; raises StreamError where a second word is missing."""
    stream = list(words)
    entries: dict[tuple[int, int], Operation | Register | None] = {}
    at = 0
    while at < len(stream):
        first, start = stream[at], at
        code, kind, raw = first & 0x3FF, first >> 14 & 3, first >> 16
        at += 1
        if kind == 1:
            if at == len(stream):
                raise StreamError(f"command stream: word {start} announces a second word, which is missing")
            raw = raw << 32 | stream[at]
            at += 1
        if (code, kind) not in entries:
            entries[code, kind] = _entry(code, kind, family)
        yield Command(start, code, kind, raw, entries[code, kind])


def _entry(code: int, kind: int, family: str) -> Operation | Register | None:
    if kind == 0 and code < 0x100:
        return load().operation(code, family)
    return load().register(code, kind == 1, family) if kind <= 1 else None


def encode(commands: Iterable[Command]) -> list[int]:
    """The words of these commands; `encode(decode(x))` is x except for bits 10-13, which no command uses."""
    words: list[int] = []
    for command in commands:
        words.append(command.code | command.kind << 14 | (command.raw >> 32 if command.kind else command.raw) << 16)
        if command.kind:
            words.append(command.raw & 0xFFFFFFFF)
    return words


def command(name: str, family: str, values: Mapping[str, int | str] | int = 0) -> Command:
    """One command by name.

    values: by field, a number with `plus` added or the name of a value; or the number of the only field.
    raises: KeyError for an unknown name, ValueError for a number that does not fit.
    """
    entry = load().named(name, family)
    if not isinstance(values, Mapping):
        values = {entry.fields[0].name: values} if entry.fields else {}
    fields = {field.name: field for field in entry.fields}
    raw = 0
    for key, value in values.items():
        field = fields[key]
        names = dict(field.values)
        if isinstance(entry, Operation) and key == "mode":
            names = {mode.name: mode.value for mode in entry.modes}
        raw |= field.encode(names[value] if isinstance(value, str) else value - field.plus)
    wide = isinstance(entry, Register) and entry.wide
    return Command(0, entry.code, 1 if wide else 0, raw, entry)


def assemble(lines: Iterable[str], family: str) -> list[Command]:
    """Commands from text as the disassembler writes it: NAME, then field=value or the value of the only field.

    Numbers have `plus` added, so `OFM_WIDTH 4` is four columns. Text after ";" is ignored.
    raises: StreamError with the line.
    """
    commands = []
    for line in lines:
        words = line.partition(";")[0].split()
        if not words:
            continue
        try:
            commands.append(_assemble_one(words, family))
        except (KeyError, ValueError) as error:
            raise StreamError(f"assembler: got {line.strip()!r}: {error}") from None
    return commands


def _assemble_one(words: list[str], family: str) -> Command:
    name, *given = words
    with contextlib.suppress(KeyError):
        load().named(name, family)
        return command(name, family, _values(name, family, given))
    return command(f"{name}_M1", family, _values(f"{name}_M1", family, given))


def _values(name: str, family: str, given: list[str]) -> dict[str, int | str]:
    fields = load().named(name, family).fields
    values: dict[str, int | str] = {}
    for word in given:
        key, equals, text = word.rpartition("=")
        number = text.removeprefix("-")
        is_number = number.isdecimal() or number.lower().startswith("0x")
        values[key if equals else fields[0].name] = int(text, 0) if is_number else text
    return values
