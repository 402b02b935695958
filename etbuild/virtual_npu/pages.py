"""Pages of device registers that are served from outside of QEMU: the NPU's, and UARTs that QEMU's machine lacks.

A page is an object with an address, a size, `read` and `write`; the trap calls them for each access of the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from etbuild.errors import StepError
from etbuild.virtual_npu.device import Access, Device

_WORD = 4


class Page(Protocol):
    """One page. address: of its first byte. size: in bytes, a multiple of 4."""

    @property
    def address(self) -> int: ...
    @property
    def size(self) -> int: ...

    def read(self, offset: int, size: int) -> int:
        """The value that a load of `size` bytes gets."""

    def write(self, offset: int, size: int, value: int) -> None:
        """A store of `size` bytes."""


@dataclass(frozen=True)
class NpuPage:
    """The registers of an NPU at one address. access: the rights of a processor that uses this address.

    raises: StepError for an access that is not one aligned word: the hardware does not say what it does.
    """

    device: Device
    address: int
    access: Access

    @property
    def size(self) -> int:
        """Of the NPU's family."""
        return self.device.npu.family.page_bytes

    def read(self, offset: int, size: int) -> int:
        """One word."""
        _check_word(offset, size)
        return self.device.read(offset, self.access)

    def write(self, offset: int, size: int, value: int) -> None:
        """One word."""
        _check_word(offset, size)
        self.device.write(offset, value, self.access)


def _check_word(offset: int, size: int) -> None:
    if size != _WORD or offset % _WORD:
        raise StepError(f"NPU register {offset:#x}: got an access of {size} bytes, wanted one aligned word")


@dataclass
class Ns16550:
    """A UART like the 16550, its registers four bytes apart. put: gets each byte that is sent."""

    address: int
    put: Callable[[bytes], None]
    size: int = 0x100
    _line_control: int = 0
    _scratch: int = 0

    def read(self, offset: int, size: int) -> int:
        """Always ready to send; nothing is ever received."""
        return {0x0C: self._line_control, 0x14: 0x60, 0x18: 0xB0, 0x1C: self._scratch, 0x7C: 0x06}.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Bytes are sent; of the rest LCR and SCR are stored."""
        divisor = self._line_control & 0x80
        if offset == 0x00 and not divisor:
            self.put(bytes([value & 0xFF]))
        elif offset == 0x0C:
            self._line_control = value & 0xFF
        elif offset == 0x1C:
            self._scratch = value & 0xFF


@dataclass
class Lpuart:
    """NXP's LPUART (i.MX). put: gets each byte that is sent while the transmitter is on."""

    address: int
    put: Callable[[bytes], None]
    size: int = 0x100
    _baud: int = 0x0F000004
    _control: int = 0

    def read(self, offset: int, size: int) -> int:
        """Always ready to send; nothing is ever received."""
        empty = 0x00C00000  # STAT: the transmitter's buffer and shift register
        fifo = 0x00C00011
        return {0x10: self._baud, 0x14: empty, 0x18: self._control, 0x1C: 0x1000, 0x28: fifo}.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Bytes are sent; of the rest BAUD and CTRL are stored."""
        if offset == 0x1C and self._control & 1 << 19:
            self.put(bytes([value & 0xFF]))
        elif offset == 0x10:
            self._baud = value
        elif offset == 0x18:
            self._control = value
        elif offset == 0x08 and value & 2:
            self._baud, self._control = 0x0F000004, 0
