"""Serves the accesses of QEMU's processor to pages of registers: each one stops it before the access, is answered from
outside, and is stepped over. It knows no device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.virtual_npu.gdb_client import WATCH_ACCESS, GdbClient
from etbuild.virtual_npu.thumb import PC, Register, advance_it, decode, is_wide

if TYPE_CHECKING:
    from etbuild.virtual_npu.pages import Page
    from etbuild.virtual_npu.thumb import Access

_IT = 0x0600FC00
_XPSR = 16
_WORD = 4
_NOTHING = b"\x00\xbf"  # nop
_SLEEPS_S = 0.5
_NAMES = {13: "sp", 14: "lr", 15: "pc"}


class Trap:
    """The pages, and the processor behind a stub. accesses: how many were served."""

    def __init__(self, processor: GdbClient, pages: Sequence[Page]) -> None:
        self._processor = processor
        self._pages = tuple(pages)
        self.accesses = 0
        self._known: dict[int, Access] = {}
        self._watched: list[list[tuple[int, int]]] = [[] for _ in pages]

    def insert(self) -> None:
        """Watchpoints round each page. QEMU stops before the access, also where its machine has nothing."""
        for page, watched in zip(self._pages, self._watched, strict=True):
            wanted = _ranges(page)
            if wanted == watched:
                continue
            for address, size in watched:
                self._processor.remove(WATCH_ACCESS, size, address)
            for address, size in wanted:
                self._processor.insert(WATCH_ACCESS, size, address)
            watched[:] = wanted

    def watches(self, address: int) -> bool:
        """Whether a watchpoint that stopped the processor is one of these."""
        return self._page_at(address) is not None

    def serve(self) -> None:
        """Do the access at which the processor stands, and step over it.

        raises: StepError for an instruction that is not known, or an access that a page refuses.
        """
        registers = self._processor.registers()
        access, addresses = self._decoded(registers)
        self.accesses += 1
        try:
            if access.store:
                self._store(access, addresses, registers)
                self.insert()
                loaded: dict[Register, tuple[int, int]] = {}
            else:
                loaded = self._load(access, addresses)
        except StepError as error:
            raise self._error(registers, str(error)) from error
        self._finish(access, registers, loaded)

    def settle(self) -> None:
        """After a stop that was asked for: let QEMU forget a watchpoint that it was about to report.

        Otherwise it ends itself at the next one ("Raised interrupt while not in I/O function"). It forgets when it
        reports, so the processor takes one step that does nothing.
        """
        try:
            self._decoded(self._processor.registers())
        except StepError:
            return
        self._processor.execute(_NOTHING, _SLEEPS_S)

    def _store(self, access: Access, addresses: Sequence[int], registers: Sequence[int]) -> None:
        for transfer, address in zip(access.transfers, addresses, strict=True):
            data = transfer.stored(self._value(transfer.register, registers))
            page = self._page_at(address)
            if page is None:
                self._processor.write(address, data)
                continue
            for at in range(0, len(data), 4):
                part = data[at : at + 4]
                page.write(address + at - page.address, len(part), int.from_bytes(part, "little"))

    def _load(self, access: Access, addresses: Sequence[int]) -> dict[Register, tuple[int, int]]:
        """Value and size by register."""
        loaded = {}
        for transfer, address in zip(access.transfers, addresses, strict=True):
            page, data = self._page_at(address), b""
            if page is None:
                data = self._processor.read(address, transfer.size)
            else:
                for at in range(0, transfer.size, 4):
                    part = min(4, transfer.size - at)
                    value = page.read(address + at - page.address, part) & ((1 << 8 * part) - 1)
                    data += value.to_bytes(part, "little")
            loaded[transfer.register] = transfer.loaded(data), transfer.size
        return loaded

    def _finish(self, access: Access, registers: Sequence[int], loaded: dict[Register, tuple[int, int]]) -> None:
        """Registers, status, base, and the next instruction."""
        back = access.written_back(registers)
        if back is not None:
            self._set(Register("r", access.base), back)
        for register, (value, _) in loaded.items():
            self._set(register, value)
        if access.status is not None:
            self._set(Register("r", access.status), 0)
        if not access.branches:
            self._set(Register("r", PC), registers[PC] + access.length & 0xFFFFFFFF)
        if registers[_XPSR] & _IT:
            self._processor.set_register("xpsr", advance_it(registers[_XPSR]))

    def _set(self, register: Register, value: int) -> None:
        if register.bank == "s":
            whole, upper = self._processor.register(f"d{register.number // 2}"), register.number % 2 * 32
            value = whole & ~(0xFFFFFFFF << upper) | value << upper
            register = Register("d", register.number // 2)
        size = 8 if register.bank == "d" else 4
        self._processor.set_register(_name(register), value, size)

    def _value(self, register: Register, registers: Sequence[int]) -> int:
        if register.bank == "s":
            return self._processor.register(f"d{register.number // 2}") >> register.number % 2 * 32 & 0xFFFFFFFF
        return registers[register.number] if register.bank == "r" else self._processor.register(_name(register))

    def _page_at(self, address: int) -> Page | None:
        return next((page for page in self._pages if page.address <= address < page.address + page.size), None)

    def _decoded(self, registers: Sequence[int]) -> tuple[Access, tuple[int, ...]]:
        """The access at the PC, with its addresses. An instruction is read again if it cannot be what stopped."""
        pc, code = registers[PC], b""
        for known in (True, False):
            access = self._known.get(pc) if known else None
            if not known:
                code = self._code(pc)
                access = decode(code)
            if access is None:
                continue
            addresses = access.addresses(registers[:_XPSR])
            if any(self._page_at(address) for address in addresses):
                self._known[pc] = access
                return access, addresses
        if access is None:
            raise self._error(registers, f"got the instruction {code.hex()}, wanted a load or store that is known")
        raise self._error(registers, f"got an access to {addresses[0]:#x}, wanted one of a page of registers")

    def _code(self, address: int) -> bytes:
        """One instruction."""
        code = self._processor.read(address, 2)
        return code + self._processor.read(address + 2, 2) if is_wide(code) else code

    def _error(self, registers: Sequence[int], problem: str) -> StepError:
        return StepError(f"the firmware at pc={registers[PC]:#010x} (lr={registers[14]:#010x}): {problem}")


def _ranges(page: Page) -> list[tuple[int, int]]:
    """Address and size of what stops the processor."""
    end, hole = page.address + page.size, page.direct
    if hole is None:
        return [(page.address, page.size)]
    behind = page.address + hole + _WORD
    parts = [(page.address, hole), (behind, end - behind)]
    return [(address, size) for address, size in parts if size]


def _name(register: Register) -> str:
    if register.bank == "r":
        return _NAMES.get(register.number, f"r{register.number}")
    return str(register)
