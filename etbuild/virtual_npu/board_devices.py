"""The devices of a board that QEMU's machine lacks: its NPU, at its secure and its non-secure address, and its UART."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from etbuild.virtual_npu.device import Access, Device, Executor
from etbuild.virtual_npu.pages import NpuPage, Page
from etbuild.virtual_npu.registers import npu_called
from etbuild.virtual_npu.uarts import Lpuart, Ns16550, Transmitter, Uart

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.virtual_npu.machines import Machine

# By the kind of a board's UART; QEMU has the others itself.
UARTS: dict[str, type[Uart]] = {"ns16550": Ns16550, "lpuart": Lpuart}


def needs_trap(board: Board, npu: str) -> bool:
    """Whether a firmware for this board needs devices that QEMU lacks. npu: that it drives, "" for none."""
    return bool(npu) or (board.uart is not None and board.uart.kind in UARTS)


def npu_device(board: Board, npu: str, executor: Executor, log: Callable[[str], None]) -> Device:
    """The NPU as it is after power-on: with the rights that the board gives it."""
    secure = getattr(board.npu, "secure", True)
    privileged = getattr(board.npu, "privileged", True)
    return Device(npu_called(npu), executor, Access(secure, privileged), log=log)


def npu_pages(board: Board, device: Device, machine: Machine) -> list[Page]:
    """The page at the board's address, which is as secure as the board says, and the one at its other address."""
    secure = getattr(board.npu, "secure", True)
    return [
        NpuPage(device, board.npu.address, Access(secure)),
        NpuPage(device, board.npu.address ^ machine.alias, Access(not secure)),
    ]


def is_served(board: Board, machine: Machine) -> bool:
    """Whether QEMU's second UART has the data register of the board's."""
    uart = board.uart
    return bool(uart and uart.kind in UARTS and uart.address + UARTS[uart.kind].data == machine.serial)


def uarts(board: Board, machine: Machine, transmitter: Transmitter) -> list[Page]:
    """The UART's page, if QEMU's machine has no such UART."""
    uart = board.uart
    if uart is None or uart.kind not in UARTS:
        return []
    return [UARTS[uart.kind](uart.address, transmitter, is_served(board, machine))]
