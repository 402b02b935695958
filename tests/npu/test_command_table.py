"""The table of the command stream: consistent in itself, and everything generated from it up to date."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from etbuild.npu import generate
from etbuild.npu.command_table import SOURCE, Operation, Register, load

ENTRIES = [*load().operations, *load().registers]


def kind_of(entry: Operation | Register) -> str:
    if isinstance(entry, Operation):
        return "operation"
    return "wide" if entry.wide else "narrow"


@pytest.mark.parametrize("family", load().families)
def test_no_two_entries_of_a_family_share_a_code(family: str) -> None:
    """An operation's code is below 0x100, a narrow register's from there on; wide registers count apart."""
    codes = [(kind_of(entry), entry.code) for entry in ENTRIES if family in entry.families]

    assert len(codes) == len(set(codes))
    assert all((code < 0x100) == (kind == "operation") for kind, code in codes if kind != "wide")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.name}-{'-'.join(sorted(entry.families))}")
def test_fields_fit_their_register_and_do_not_overlap(entry: Operation | Register) -> None:
    """16 bits, or 48 in a wide register."""
    width = entry.bits if isinstance(entry, Register) else 16
    taken = 0
    for field in entry.fields:
        mask = (1 << field.bits) - 1 << field.low
        assert field.low + field.bits <= width
        assert not taken & mask
        taken |= mask
    values = [[number for _, number in field.values] for field in entry.fields]
    assert all(len(numbers) == len(set(numbers)) for numbers in values)


@pytest.mark.parametrize("family", load().families)
def test_no_two_modes_of_an_operation_share_a_value(family: str) -> None:
    """Within a family."""
    for operation in load().operations:
        values = [mode.value for mode in operation.modes if family in mode.families]
        assert len(values) == len(set(values))


def test_every_field_takes_its_extremes_and_gives_them_back() -> None:
    """encode and decode are inverse to each other, and encode refuses what does not fit."""
    for field in itertools.chain.from_iterable(entry.fields for entry in ENTRIES):
        low = -(1 << field.bits - 1) if field.signed else 0
        high = low + (1 << field.bits) - 1
        assert [field.decode(field.encode(number)) for number in (low, high)] == [low, high]
        with pytest.raises(ValueError, match="does not fit"):
            field.encode(high + 1)


def test_every_operation_has_a_function_or_is_listed_as_not_emulated() -> None:
    """Operations without effect on memory say "none"; BRANCH is a register that acts, see npu/branch_u85.cc."""
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCE.parent.glob("*.cc"))
    functions = set(re.findall(r"^Verdict (\w+?)(?:_u\d\d)?\(Machine& machine, Operation& operation\)", sources, re.M))
    known = functions | {"none"} | set(load().not_emulated)
    missing = [operation.name for operation in load().operations if operation.semantics not in known]
    acting = [register.name for register in load().registers if register.operation]

    assert missing == []
    assert [name for name in acting if name not in load().not_emulated] == ["BRANCH"]


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_what_is_generated_from_the_table_is_up_to_date(path: Path) -> None:
    """Else run `python -m etbuild.npu.generate`."""
    assert path.read_text(encoding="utf-8") == generate.outputs()[path]
