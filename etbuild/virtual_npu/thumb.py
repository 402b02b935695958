"""Loads and stores of Thumb code: what one instruction moves between registers and memory.

It knows the loads and stores of Armv6-M to Armv8.1-M that compilers emit, also for floating point. It executes nothing,
and it does not know Helium's: `decode` answers None for all that it does not know, and for what the architecture calls
UNPREDICTABLE or a hint.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SP, LR, PC = 13, 14, 15
_WORD = 4
# The bits IT[7:2] and IT[1:0] of xPSR.
_IT_HIGH, _IT_LOW = 0x0000FC00, 0x06000000


class Register(NamedTuple):
    """A register. bank: "r" (core), "s" or "d" (floating point of 32 or 64 bits)."""

    bank: str
    number: int

    def __str__(self) -> str:
        return f"{self.bank}{self.number}"


class Transfer(NamedTuple):
    """One register's part of an access.

    offset: bytes from the access's lowest address.
    size:   bytes in memory: 1, 2, 4 or 8.
    signed: a load extends the sign to 32 bits.
    """

    register: Register
    offset: int
    size: int
    signed: bool = False

    def loaded(self, memory: bytes) -> int:
        """What the register holds after a load of these `size` bytes; not negative."""
        value = int.from_bytes(memory, "little", signed=self.signed)
        return value & (0xFFFFFFFF if self.size <= _WORD else 0xFFFFFFFFFFFFFFFF)

    def stored(self, value: int) -> bytes:
        """What a store of a register with this value writes: its low `size` bytes."""
        return (value & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")


@dataclass(frozen=True)
class Access:
    """A load or store.

    length:     bytes of the instruction: 2 or 4.
    transfers:  in the order of their addresses.
    base:       number of the core register that the address begins with; 15 is the PC, read as the architecture does.
    offset:     bytes added to it.
    index:      number of a core register that is added, shifted left by `shift`; None without.
    write_back: bytes by which the base grows; None: it stays.
    status:     number of the core register into which an exclusive store puts 0, "done"; None without.
    """

    length: int
    store: bool
    transfers: tuple[Transfer, ...]
    base: int
    offset: int = 0
    index: int | None = None
    shift: int = 0
    write_back: int | None = None
    status: int | None = None

    def addresses(self, registers: Sequence[int]) -> tuple[int, ...]:
        """The address of each transfer. registers: r0 to r15, with the instruction's own address as r15."""
        start = self._base(registers) + self.offset
        if self.index is not None:
            start += registers[self.index] << self.shift
        return tuple(start + one.offset & 0xFFFFFFFF for one in self.transfers)

    def written_back(self, registers: Sequence[int]) -> int | None:
        """The base's value afterwards; None if it is not written back."""
        return None if self.write_back is None else self._base(registers) + self.write_back & 0xFFFFFFFF

    @property
    def branches(self) -> bool:
        """It loads the PC, so the next instruction is not the one behind it."""
        return not self.store and any(one.register == Register("r", PC) for one in self.transfers)

    def _base(self, registers: Sequence[int]) -> int:
        return registers[PC] + 4 & ~3 if self.base == PC else registers[self.base]


def is_wide(code: bytes) -> bool:
    """If the instruction that begins with these two bytes or more has four."""
    return code[1] >> 3 in (0b11101, 0b11110, 0b11111)


def decode(code: bytes) -> Access | None:
    """The access of an instruction; None if it is no load or store that this module knows.

    code: the instruction in the order of memory, with any number of bytes behind it; at least its own 2 or 4.
    """
    if not is_wide(code):
        return _narrow(struct.unpack_from("<H", code)[0])
    first, second = struct.unpack_from("<HH", code)
    if first >> 9 == 0b1111100:
        return _single(first, second)
    if first >> 9 == 0b1110100:
        return _paired(first, second) if first & 0x40 else _multiple(first, second)
    if first >> 9 == 0b1110110 and second >> 8 & 15 in (9, 10, 11):
        return _floating_point(first, second)
    return None


def advance_it(xpsr: int) -> int:
    """xPSR behind an instruction that is stepped over by hand: an IT block goes on with its next instruction."""
    state = (xpsr & _IT_HIGH) >> 8 | (xpsr & _IT_LOW) >> 25
    state = state & 0xE0 | state << 1 & 0x1F if state & 7 else 0
    return xpsr & ~(_IT_HIGH | _IT_LOW) | (state & 0xFC) << 8 | (state & 3) << 25


def _core(number: int, size: int = _WORD, *, signed: bool = False) -> tuple[Transfer, ...]:
    return (Transfer(Register("r", number), 0, size, signed),)


def _list(mask: int) -> tuple[Transfer, ...]:
    numbers: Iterator[int] = (number for number in range(16) if mask >> number & 1)
    return tuple(Transfer(Register("r", number), _WORD * i, _WORD) for i, number in enumerate(numbers))


# Store, size and sign of the eight 16-bit forms with an index register.
_INDEXED = (
    *((True, 4, False), (True, 2, False), (True, 1, False), (False, 1, True)),
    *((False, 4, False), (False, 2, False), (False, 1, False), (False, 2, True)),
)


def _narrow(code: int) -> Access | None:
    low, middle, store = code & 7, code >> 3 & 7, not code >> 11 & 1
    form = code >> 12
    if code >> 11 == 0b01001:
        return Access(2, store=False, transfers=_core(code >> 8 & 7), base=PC, offset=(code & 0xFF) * 4)
    if form == 0b0101:
        indexed, size, signed = _INDEXED[code >> 9 & 7]
        return Access(2, indexed, _core(low, size, signed=signed), middle, index=code >> 6 & 7)
    sizes = {0b0110: 4, 0b0111: 1, 0b1000: 2}
    if form in sizes:
        return Access(2, store, _core(low, sizes[form]), middle, (code >> 6 & 31) * sizes[form])
    if form == 0b1001:
        return Access(2, store, _core(code >> 8 & 7), SP, (code & 0xFF) * 4)
    if form == 0b1100:
        return _narrow_multiple(code, store=store)
    if code >> 9 in (0b1011010, 0b1011110):
        return _push_or_pop(code, store=store)
    return None


def _narrow_multiple(code: int, *, store: bool) -> Access | None:
    base, moved = code >> 8 & 7, _list(code & 0xFF)
    # A load of the base itself is not written back.
    kept = not store and code >> base & 1
    return Access(2, store, moved, base, write_back=None if kept else _WORD * len(moved)) if moved else None


def _push_or_pop(code: int, *, store: bool) -> Access | None:
    moved = _list(code & 0xFF | (code >> 8 & 1) << (LR if store else PC))
    size = _WORD * len(moved)
    if not moved:
        return None
    return Access(2, store, moved, SP, -size if store else 0, write_back=-size if store else size)


def _single(first: int, second: int) -> Access | None:
    base, target, size = first & 15, second >> 12, 1 << (first >> 5 & 3)
    store, signed, upward = not first & 0x10, bool(first & 0x100), bool(first & 0x80)
    # A load of less than a word into the PC is a hint; no store stores the PC.
    unknown = size > _WORD or (signed and (store or size == _WORD)) or (target == PC and (store or size < _WORD))
    if unknown or (base == PC and store):
        return None
    moved = _core(target, size, signed=signed)
    if base == PC or upward:
        return Access(4, store, moved, base, second & 0xFFF if upward else -(second & 0xFFF))
    if not second & 0x800:
        return None if second & 0x7C0 else Access(4, store, moved, base, 0, second & 15, second >> 4 & 3)
    return _indexed(second, Access(4, store, moved, base))


def _indexed(second: int, access: Access) -> Access | None:
    """The forms with an immediate of 8 bits: negative, unprivileged, written back before or after."""
    before, upward, written = second >> 10 & 1, second >> 9 & 1, second >> 8 & 1
    amount = second & 0xFF if upward else -(second & 0xFF)
    if not before and not written:
        return None
    if written and access.base == access.transfers[0].register.number:
        return None
    offset = amount if before else 0
    return Access(4, access.store, access.transfers, access.base, offset, write_back=amount if written else None)


def _multiple(first: int, second: int) -> Access | None:
    base, store, written, mode = first & 15, not first & 0x10, bool(first & 0x20), first >> 7 & 3
    moved = _list(second)
    size = _WORD * len(moved)
    refused = 1 << SP | (1 << PC if store else 0)
    if mode not in (1, 2) or base == PC or second & refused or not moved or (written and second >> base & 1):
        return None
    grown = size if mode == 1 else -size
    return Access(4, store, moved, base, 0 if mode == 1 else -size, write_back=grown if written else None)


def _paired(first: int, second: int) -> Access | None:
    base, store, target = first & 15, not first & 0x10, second >> 12
    before, upward, written = first >> 8 & 1, first >> 7 & 1, first >> 5 & 1
    if before or written:
        return _double(first, second)
    if target == PC or base == PC:
        return None
    if upward:
        return _exclusive_or_ordered(first, second)
    other = second >> 8 & 15
    if store:
        return (
            Access(4, store, _core(target), base, (second & 0xFF) * 4, status=other) if other not in (SP, PC) else None
        )
    return Access(4, store, _core(target), base, (second & 0xFF) * 4) if other == PC else None


def _double(first: int, second: int) -> Access | None:
    base, store, numbers = first & 15, not first & 0x10, (second >> 12, second >> 8 & 15)
    before, upward, written = first >> 8 & 1, first >> 7 & 1, first >> 5 & 1
    same = not store and numbers[0] == numbers[1]
    if (base == PC and (store or written)) or same or {SP, PC} & set(numbers) or (written and base in numbers):
        return None
    amount = (second & 0xFF) * (4 if upward else -4)
    moved = tuple(Transfer(Register("r", number), _WORD * i, _WORD) for i, number in enumerate(numbers))
    return Access(4, store, moved, base, amount if before else 0, write_back=amount if written else None)


def _exclusive_or_ordered(first: int, second: int) -> Access | None:
    """Exclusive loads and stores of less than a word, and those with acquire or release; a table branch is neither."""
    form, store, status = second >> 4 & 15, not first & 0x10, second & 15
    exclusive, sized = bool(form & 4), form & 3
    known = form in (4, 5, 8, 9, 10, 12, 13, 14) and second >> 8 & 15 == PC
    if not known or (status in (SP, PC) if exclusive and store else status != PC):
        return None
    return Access(4, store, _core(second >> 12, 1 << sized), first & 15, status=status if exclusive and store else None)


def _floating_point(first: int, second: int) -> Access | None:
    base, store, kind = first & 15, not first & 0x10, second >> 8 & 15
    before, upward, written = first >> 8 & 1, first >> 7 & 1, first >> 5 & 1
    extra, field, amount = first >> 6 & 1, second >> 12, second & 0xFF
    bank, number = ("d", extra << 4 | field) if kind == 11 else ("s", field << 1 | extra)
    size = {9: 2, 10: 4, 11: 8}[kind]
    if before and not written:
        offset = amount * min(size, 4) * (1 if upward else -1)
        known = not (store and base == PC) and (bank == "s" or number < 16)
        return Access(4, store, (Transfer(Register(bank, number), 0, size),), base, offset) if known else None
    count = amount // (size // 4) if size > 2 else 0
    last = number + count - 1
    refused = size == 2 or base == PC or amount % (size // 4) or not count or last > (31 if bank == "s" else 15)
    if refused or before == upward or (before and not written):
        return None
    moved = tuple(Transfer(Register(bank, number + i), size * i, size) for i in range(count))
    grown = amount * 4 if upward else -amount * 4
    return Access(4, store, moved, base, 0 if upward else grown, write_back=grown if written else None)
