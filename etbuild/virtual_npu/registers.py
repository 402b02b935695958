"""registers.yaml as data: the registers of an NPU by their offsets, and the bits of STATUS. It executes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from etbuild.errors import UsageError

SOURCE = Path(__file__).with_name("registers.yaml")
# Files of the package that a step with this module depends on, next to its Python sources.
SOURCES = ("virtual_npu/registers.yaml",)
_ALL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Register:
    """A 32-bit register. index: of several with this name. idle: written only while the NPU is stopped."""

    name: str
    index: int
    offset: int
    access: str
    reset: int
    mask: int
    idle: bool


@dataclass(frozen=True)
class Family:
    """What the NPUs of a family have in common; see registers.yaml."""

    name: str
    product: int
    id: int
    address_bits: int
    page_bytes: int
    counters: int
    pmu: int
    beat_bytes: int
    registers: Mapping[int, Register] = field(repr=False)

    @cached_property
    def offsets(self) -> Mapping[tuple[str, int], int]:
        """By name and index: the offset of a register, in bytes."""
        return {(one.name, one.index): one.offset for one in self.registers.values()}


@dataclass(frozen=True)
class Npu:
    """One NPU. name: ethos-u55-128..., config: its CONFIG, macs: multiply-accumulates a cycle."""

    name: str
    config: int
    family: Family

    @property
    def macs(self) -> int:
        """Of all cores together."""
        return 1 << (self.config & 15)


def npu_called(name: str) -> Npu:
    """raises: UsageError for an NPU that does not exist."""
    configs = _table()["configs"]
    if name not in configs:
        raise UsageError(f"npu: got {name}, wanted one of {', '.join(configs)}")
    return Npu(name, configs[name], _family(name.split("-")[1]))


def status_bits() -> Mapping[str, int]:
    """The bit of STATUS by name."""
    return _numbers("status")


def command_bits() -> Mapping[str, int]:
    """The bit of CMD by name."""
    return _numbers("commands")


@cache
def event_names() -> Mapping[int, str]:
    """What is counted, by the number of the PMU's event."""
    return {number: name for name, numbers in _table()["events"].items() for number in numbers}


def _numbers(section: str) -> Mapping[str, int]:
    numbers: Mapping[str, int] = _table()[section]
    return numbers


class RegisterFile:
    """The values that the registers of one NPU hold."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._values: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """Every register to its reset value."""
        self._values = {one.offset: one.reset for one in self.family.registers.values()}

    def __getitem__(self, offset: int) -> int:
        return self._values[offset]

    def __setitem__(self, offset: int, value: int) -> None:
        self._values[offset] = value & _ALL

    def get(self, name: str, index: int = 0) -> int:
        """The value of a register."""
        return self._values[self.family.offsets[name, index]]

    def put(self, name: str, value: int, index: int = 0) -> None:
        """Set a register to the lower 32 bits of a value."""
        self._values[self.family.offsets[name, index]] = value & _ALL

    def wide(self, name: str, index: int = 0) -> int:
        """The value of two registers, the lower one at index."""
        return self.get(name, index) | self.get(name, index + 1) << 32


@cache
def _table() -> dict[str, Any]:
    import yaml

    table: dict[str, Any] = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return table


@cache
def _family(name: str) -> Family:
    facts = _table()["families"][name]
    registers = {}
    for register, row in _table()["registers"].items():
        if name not in row.get("families", name):
            continue
        first = facts["pmu"] + row["pmu"] if "pmu" in row else row["offset"]
        mask = row.get("mask", _ALL)
        for index in range(row.get("count", 1)):
            if register.startswith("PMEV") and index >= facts["counters"]:
                break
            offset = first + 4 * index
            allowed = mask[name] if isinstance(mask, dict) else mask
            if register in ("QBASE", "BASEP") and index % 2:
                allowed = (1 << facts["address_bits"] - 32) - 1
            if register == "PMCCNTR" and index:
                allowed = 0xFFFF
            registers[offset] = Register(
                register, index, offset, row["access"], row.get("reset", 0), allowed, row.get("idle", False)
            )
    return Family(name=name, registers=registers, **facts)
