"""The machines of QEMU that an NPU can be put beside: where their shared memory lies, and their interrupts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etbuild.errors import UsageError
from etbuild.virtual_npu.memory import Range

if TYPE_CHECKING:
    from etbuild.hardware.board import Board


@dataclass(frozen=True)
class Machine:
    """One machine.

    ram, ram_bytes: its main memory, which QEMU can share as a file.
    alias:          the bit of an address that chooses secure or not; other bits name the same memory.
    aliased:        first and end address, without that bit, of memory that is seen at both.
    controller, interrupts: the device and the input for interrupts; the first number, and how many.
    serial:         the data register of its second UART, a CMSDK one, which can serve that of another kind.
    """

    ram: int
    ram_bytes: int
    alias: int
    aliased: tuple[tuple[int, int], ...]
    controller: str
    interrupts: str
    first: int
    count: int
    serial: int

    def ranges(self, board: Board) -> Iterator[Range]:
        """The memory that the board's NPU reaches, also at its other address."""
        for region in board.memory:
            if not region.npu:
                continue
            seen = getattr(region, "npu_address", None)
            yield Range(region.address if seen is None else seen, region.size, region.address)
            plain = region.address & ~self.alias
            if seen is not None:
                continue
            if any(first <= plain < end for first, end in self.aliased):
                yield Range(region.address ^ self.alias, region.size, region.address)


_MACHINES = {
    # Arm's SSE-300 with the memory of the MPS3: bit 28 is the address's security.
    "mps3-an547": Machine(
        ram=0x60000000,
        ram_bytes=2 << 30,
        alias=1 << 28,
        aliased=((0x00000000, 0x10000000), (0x20000000, 0x30000000)),
        controller="/machine/iotkit",
        interrupts="EXP_IRQ",
        first=32,
        count=96,
        serial=0x59304000,
    )
}


def machine_of(board: Board) -> Machine:
    """raises: UsageError for a board whose machine is not known here, or has no such interrupt."""
    if board.qemu not in _MACHINES:
        raise UsageError(
            f"{board.name}: got machine {board.qemu or 'none'}, wanted {', '.join(_MACHINES)} for an NPU beside QEMU"
        )
    machine = _MACHINES[board.qemu]
    if not machine.first <= board.npu.interrupt < machine.first + machine.count:
        last = machine.first + machine.count - 1
        raise UsageError(
            f"{board.name}: npu.interrupt: got {board.npu.interrupt}, wanted {machine.first} to {last} in {board.qemu}"
        )
    return machine
