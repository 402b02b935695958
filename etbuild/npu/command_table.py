"""runtime/npu/commands.yaml as Python data: operations and registers. It neither reads nor writes streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from etbuild import RUNTIME

SOURCE = RUNTIME / "npu" / "commands.yaml"


@dataclass(frozen=True)
class Field:
    """Some bits of a parameter or register. plus: added to the encoded number to give its meaning."""

    name: str
    low: int
    bits: int
    signed: bool = False
    plus: int = 0
    unit: str = ""
    values: tuple[tuple[str, int], ...] = ()

    def decode(self, raw: int) -> int:
        """The encoded number, without `plus`."""
        number = raw >> self.low & (1 << self.bits) - 1
        return number - (1 << self.bits) if self.signed and number >> (self.bits - 1) else number

    def encode(self, number: int) -> int:
        """The bits of this number, which has no `plus`; raises ValueError when it does not fit."""
        masked = number & (1 << self.bits) - 1
        if self.decode(masked << self.low) != number:
            raise ValueError(f"{self.name}: {number} does not fit {self.bits} bits")
        return masked << self.low

    def text(self, raw: int) -> str:
        """As a person reads it: the value's name where it has one, else the number with `plus` added."""
        number = self.decode(raw)
        names = {value: name for name, value in self.values}
        return names.get(number, str(number + self.plus))


@dataclass(frozen=True)
class Mode:
    """One value of an operation's `mode` field. unverified: what about it no test or public source confirms."""

    name: str
    value: int
    families: frozenset[str]
    note: str = ""
    unverified: str = ""


@dataclass(frozen=True)
class Operation:
    """semantics: the emulator's function for it, "none" where it has no effect on memory."""

    name: str
    code: int
    families: frozenset[str]
    fields: tuple[Field, ...]
    semantics: str
    modes: tuple[Mode, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Register:
    """wide: 48 bits and two words, else 16 bits and one word. operation: it acts at once and stores no value."""

    name: str
    code: int
    wide: bool
    families: frozenset[str]
    fields: tuple[Field, ...]
    note: str = ""
    operation: bool = False

    @property
    def bits(self) -> int:
        """Of its value."""
        return 48 if self.wide else 16


@dataclass(frozen=True)
class HardwareRecord:
    """What a test of ExecuTorch's records of an NPU, and what the emulator does there."""

    test: str
    record: str
    here: str


@dataclass(frozen=True)
class CommandTable:
    """Everything in commands.yaml. families: name by u55, u65, u85."""

    families: Mapping[str, str]
    operations: tuple[Operation, ...]
    registers: tuple[Register, ...]
    not_emulated: Mapping[str, str]
    inaccuracies: tuple[str, ...]
    hardware_records: tuple[HardwareRecord, ...]
    compiler_faults: tuple[str, ...]

    def operation(self, code: int, family: str) -> Operation | None:
        """By code; None when this family has none."""
        return next((one for one in self.operations if one.code == code and family in one.families), None)

    def register(self, code: int, wide: bool, family: str) -> Register | None:
        """By code; None when this family has none."""
        found = (one for one in self.registers if one.code == code and one.wide == wide and family in one.families)
        return next(found, None)

    def named(self, name: str, family: str) -> Operation | Register:
        """By name; raises KeyError when this family has none."""
        everything: tuple[Operation | Register, ...] = (*self.operations, *self.registers)
        for one in everything:
            if one.name == name and family in one.families:
                return one
        raise KeyError(f"{name} of {family}")


def _field(name: str, given: Mapping[str, Any]) -> Field:
    first, _, last = str(given["bits"]).partition("-")
    low, high = int(first), int(last or first)
    values = tuple((str(key), int(value)) for key, value in given.get("values", {}).items())
    return Field(
        name, low, high - low + 1, bool(given.get("signed", False)), int(given.get("plus", 0)),
        str(given.get("unit", "")), values,
    )  # fmt: skip


def _fields(entry: Mapping[str, Any]) -> tuple[Field, ...]:
    return tuple(_field(name, given) for name, given in entry.get("fields", {}).items())


@cache
def load() -> CommandTable:
    """Read commands.yaml, once."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
    data = yaml.load(SOURCE.read_text(encoding="utf-8"), Loader=loader)
    families = frozenset(data["families"])

    def of(entry: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(entry.get("families", families))

    def mode(entry: Mapping[str, Any]) -> Mode:
        return Mode(entry["name"], entry["value"], of(entry), entry.get("note", ""), entry.get("unverified", ""))

    operations = tuple(
        Operation(
            entry["name"], entry["code"], of(entry), _fields(entry), entry["semantics"],
            tuple(mode(one) for one in entry.get("modes", ())), entry.get("note", ""),
        )
        for entry in data["operations"]
    )  # fmt: skip
    registers = tuple(
        Register(
            entry["name"], entry["code"], wide, of(entry), _fields(entry), entry.get("note", ""),
            bool(entry.get("operation", False)),
        )
        for wide, kind in ((False, "narrow"), (True, "wide"))
        for entry in data[kind]
    )  # fmt: skip
    records = tuple(HardwareRecord(**entry) for entry in data["hardware_records"])
    return CommandTable(
        data["families"],
        operations,
        registers,
        data["not_emulated"],
        tuple(data["inaccuracies"]),
        records,
        tuple(data["compiler_faults"]),
    )
