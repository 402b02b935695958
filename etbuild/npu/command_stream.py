"""Command streams as lists of commands, both ways. It executes nothing and checks no addresses."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from etbuild.errors import EtbuildError
from etbuild.npu.command_table import Operation, Register, load

# Action 1 with the version of its layout in the upper half, as Vela writes it.
CONFIG_ACTION = 0x00100001
PRODUCTS = {0: "u55", 1: "u65", 2: "u85"}


class StreamError(EtbuildError):
    """A driver payload that is not one."""


@dataclass(frozen=True)
class Job:
    """A driver payload (COP1). config: the word that names the NPU; words: the command stream."""

    config: int
    identity: int
    words: tuple[int, ...]

    @property
    def family(self) -> str:
        return PRODUCTS[self.config >> 28]

    @property
    def npu(self) -> str:
        """As Vela calls it, e.g. "ethos-u55-128"."""
        return f"ethos-{self.family}-{1 << (self.config & 15)}"


@dataclass(frozen=True)
class Command:
    """place: index of its first word. raw: the parameter or the register's new value; entry: None when unknown."""

    place: int
    code: int
    kind: int
    raw: int
    entry: Operation | Register | None

    @property
    def is_operation(self) -> bool:
        return isinstance(self.entry, Operation) or (isinstance(self.entry, Register) and self.entry.operation)


def parse_payload(payload: bytes) -> Job:
    """The job in a driver payload; raises StreamError."""
    if len(payload) < 8 or len(payload) % 4 or payload[:4] != b"COP1":
        raise StreamError(f"driver payload: got {payload[:4]!r} and {len(payload)} bytes, wanted COP1 in 32-bit words")
    words = struct.unpack(f"<{len(payload) // 4}I", payload)
    at, config, identity, stream = 1, 0, 0, ()
    while at < len(words):
        action, size = words[at] & 0xFF, 1
        if action == 1 and at + 2 < len(words):
            config, identity, size = words[at + 1], words[at + 2], 3
        elif action == 2:
            length = (words[at] >> 8 & 0xFF) << 16 | words[at] >> 16
            stream, size = words[at + 1 : at + 1 + length], 1 + length
            if len(stream) < length:
                raise StreamError(f"driver payload: got {len(stream)} words of stream, wanted {length}")
        elif action != 5:
            raise StreamError(f"driver payload: got action {action} in word {at}, wanted 1, 2 or 5")
        at += size
    if config >> 28 not in PRODUCTS:
        raise StreamError(f"driver payload: got product {config >> 28}, wanted one of {sorted(PRODUCTS)}")
    return Job(config, identity, tuple(stream))


def build_payload(job: Job) -> bytes:
    """The driver payload of a job, with the stream 16-byte aligned as Vela does."""
    head = [int.from_bytes(b"COP1", "little"), CONFIG_ACTION, job.config, job.identity]
    while (len(head) + 1) % 4:
        head.append(5)
    length = len(job.words)
    head.append(2 | (length >> 16 & 0xFF) << 8 | (length & 0xFFFF) << 16)
    return struct.pack(f"<{len(head) + length}I", *head, *job.words)


def decode(words: Iterable[int], family: str) -> Iterator[Command]:
    """Commands in order; raises StreamError where a second word is missing."""
    table, stream = load(), list(words)
    at = 0
    while at < len(stream):
        word, place = stream[at], at
        code, kind, raw = word & 0x3FF, word >> 14 & 3, word >> 16
        at += 1
        if kind == 1:
            if at == len(stream):
                raise StreamError(f"command stream: word {place} announces a second word, which is missing")
            raw = raw << 32 | stream[at]
            at += 1
        entry: Operation | Register | None = None
        if kind == 0 and code < 0x100:
            entry = table.operation(code, family)
        elif kind <= 1:
            entry = table.register(code, kind == 1, family)
        yield Command(place, code, kind, raw, entry)


def encode(commands: Iterable[Command]) -> list[int]:
    """The words of these commands; `encode(decode(x))` is x but for bits 10-13, which no command uses."""
    words: list[int] = []
    for command in commands:
        words.append(command.code | command.kind << 14 | (command.raw >> 32 if command.kind else command.raw) << 16)
        if command.kind:
            words.append(command.raw & 0xFFFFFFFF)
    return words


def command(name: str, family: str, values: Mapping[str, int | str] | int = 0) -> Command:
    """One command by name. values: the fields (numbers as the table means them, `plus` included, or names of values),
    or the one field's number; raises KeyError and ValueError."""
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
        raw |= field.put(names[value] if isinstance(value, str) else value - field.plus)
    wide = isinstance(entry, Register) and entry.wide
    return Command(0, entry.code, 1 if wide else 0, raw, entry)


def assemble(lines: Iterable[str], family: str) -> list[Command]:
    """Commands from text as the disassembler writes it: NAME, then field=value or the value of the one field.

    Numbers are as the table means them, so `OFM_WIDTH 4` is four columns. Text after ";" is ignored.
    raises: StreamError with the line."""
    commands = []
    for line in lines:
        words = line.partition(";")[0].split()
        if not words:
            continue
        try:
            commands.append(_assemble_one(words, family))
        except (KeyError, ValueError) as fault:
            raise StreamError(f"assembler: got {line.strip()!r}: {fault}") from None
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
