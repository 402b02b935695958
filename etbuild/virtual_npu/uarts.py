"""UARTs that QEMU's machine lacks, as pages of registers. They send; nothing is ever received.

A look at the status finds the transmit buffer empty: the time that a character takes on the line is over by then.
Without a look the buffer takes as many characters as the hardware's, and the next ones are lost, as there.

A UART whose data register lies where QEMU's machine has that of a UART of its own is served by it: what the processor
stores there stops nothing, and is taken at the next look at the status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

_FIFO = 16


def _nothing() -> bytes:
    return b""


@dataclass
class Transmitter:
    """A transmit buffer.

    put:    gets what is sent.
    direct: what the processor has stored in QEMU's own data register since the last call.
    room:   characters that the buffer takes.
    """

    put: Callable[[bytes], None]
    direct: Callable[[], bytes] = _nothing
    room: int = 1
    _left: int = 1

    def empty(self, room: int | None = None) -> None:
        """The status was read, or the buffer has now this room."""
        self.flush()
        self.room = room or self.room
        self._left = self.room

    def send(self, value: int) -> None:
        """One character, the lower 8 bits."""
        self.flush()
        self._take(bytes([value & 0xFF]))

    def flush(self) -> None:
        """Take what QEMU's own data register got."""
        self._take(self.direct())

    def _take(self, data: bytes) -> None:
        taken = data[: self._left]
        self._left -= len(taken)
        if taken:
            self.put(taken)


@dataclass
class Uart:
    """What the kinds have in common. data: the offset of the data register. served: QEMU's machine has it."""

    address: int
    transmitter: Transmitter
    served: bool = False
    size: int = 0x100
    data: ClassVar[int]

    @property
    def direct(self) -> int | None:
        """The data register, while stores to it are characters and QEMU's machine has it."""
        return self.data if self.served and self.sends else None

    @property
    def sends(self) -> bool:
        """Whether a store to the data register is a character that is sent."""
        raise NotImplementedError

    def read(self, offset: int, size: int) -> int:
        """The value of a register."""
        raise NotImplementedError

    def write(self, offset: int, size: int, value: int) -> None:
        """A store to a register."""
        raise NotImplementedError


@dataclass
class Ns16550(Uart):
    """A UART like the 16550, its registers four bytes apart."""

    data = 0x00
    _line_control: int = 0
    _scratch: int = 0

    @property
    def sends(self) -> bool:
        """DLAB is not set."""
        return not self._line_control & 0x80

    def read(self, offset: int, size: int) -> int:
        """IIR says whether there is a FIFO."""
        if offset == 0x14:
            self.transmitter.empty()
        fifo = 0xC1 if self.transmitter.room > 1 else 0x01
        fixed = {0x08: fifo, 0x0C: self._line_control, 0x14: 0x60, 0x18: 0xB0, 0x1C: self._scratch, 0x7C: 0x06}
        return fixed.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """Characters are sent; FCR switches the FIFO; of the rest LCR and SCR are stored."""
        if offset == self.data and self.sends:
            self.transmitter.send(value)
        elif offset == 0x08:
            self.transmitter.empty(_FIFO if value & 1 else 1)
        elif offset == 0x0C:
            self._line_control = value & 0xFF
        elif offset == 0x1C:
            self._scratch = value & 0xFF


@dataclass
class Lpuart(Uart):
    """NXP's LPUART (i.MX)."""

    data = 0x1C
    _registers: dict[int, int] = field(default_factory=dict)

    @property
    def sends(self) -> bool:
        """The transmitter is on."""
        return bool(self._registers.get(0x18, 0) & 1 << 19)

    def read(self, offset: int, size: int) -> int:
        """PARAM has the sizes of the FIFOs, 2 to the power of 4; FIFO whether they are on."""
        if offset == 0x14:
            self.transmitter.empty()
        status, fifo = 0x00C00000, 0x00C00033 | self._registers.get(0x28, 0) & 0x88
        reset = {0x04: 0x0404, 0x10: 0x0F000004, 0x14: status, 0x1C: 0x1000, 0x28: fifo}
        return reset[offset] if offset == 0x28 else self._registers.get(offset, reset.get(offset, 0))

    def write(self, offset: int, size: int, value: int) -> None:
        """Characters are sent while CTRL has the transmitter on; BAUD and CTRL are stored, and FIFO while it is off."""
        if offset == self.data and self.sends:
            self.transmitter.send(value)
        elif offset in (0x10, 0x18):
            self._registers[offset] = value
        elif offset == 0x28 and not self.sends:
            self._registers[offset] = value
            self.transmitter.empty(_FIFO if value & 0x80 else 1)
        elif offset == 0x08 and value & 2:
            self._registers.clear()
            self.transmitter.empty(1)
