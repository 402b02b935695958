"""What a board prints to and what loads its firmware, as data. Each key is one field: see etbuild.config.setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etbuild.config.setting import Bytes, section, setting
from etbuild.hardware.board_npu import ADDRESSES

# Kinds of consoles with registers; the others are memory that something else reads.
REGISTERS = ("cmsdk", "ns16550", "lpuart")
_MEMORY = ("remoteproc-trace", "rtt")
CLOCKS: dict[str, Any] = {"minimum": 1, "maximum": 10**11, "examples": [25000000]}
# Of a region with a trace buffer: the resource table is before it; the loader takes no range that ends with its region.
TRACE_OFFSET, TRACE_REST = 0x200, 16


@section(
    "",
    "Where results are printed; without one they go through semihosting.",
    examples=[{"kind": "cmsdk", "address": 0x59303000, "clock_hz": 25000000, "baud": 115200}],
)
@dataclass(frozen=True)
class Uart:
    """The console that results are printed to. baud: bits per second. divisor: 0 for the nearest one."""

    kind: str = setting(
        "Its programming model: cmsdk, ns16550 (also DesignWare's) and lpuart (NXP) are UARTs; remoteproc-trace is a"
        " buffer that Linux shows as trace0 of a remote processor, rtt one that a debug probe reads (SEGGER RTT).",
        examples=["cmsdk"],
        enum=[*REGISTERS, *_MEMORY],
    )
    address: int = setting(
        "Base address of its registers; of UARTs. Unit: bytes.", 0, examples=[0x59303000], computed=True, **ADDRESSES
    )
    clock_hz: int = setting("Clock of the UART. Unit: Hz.", 0, computed=True, **CLOCKS)
    baud: int = setting(
        "Speed of the line. Unit: bits a second.", 0, examples=[115200], computed=True, minimum=300, maximum=12000000
    )
    divisor: int = setting(
        "Of ns16550 and lpuart: what the clock is divided by to 16 times the speed; without it the nearest one to"
        " clock_hz / baud / 16.",
        0,
        examples=[54],
        computed=True,
        minimum=1,
        maximum=8191,
    )
    register_shift: int = setting(
        "Of ns16550: how many times the distance of its registers is doubled; 2 for registers of 4 bytes.",
        2,
        examples=[2],
        minimum=0,
        maximum=4,
    )
    region: str = setting(
        "Of remoteproc-trace: the region of `memory` with the resource table and the trace buffer, and nothing else.",
        "",
        examples=["trace"],
    )
    buffer: Bytes = setting(
        "Of rtt: size of the buffer. Unit: bytes, or text with KiB or MiB.", Bytes(1024), examples=["1 KiB"]
    )

    @property
    def has_registers(self) -> bool:
        """Whether it is a UART."""
        return self.kind in REGISTERS

    @property
    def divisor_16(self) -> int:
        """The divisor of a UART that samples each bit 16 times."""
        return self.divisor or max(1, round(self.clock_hz / (16 * self.baud)))


@section("", "A range that the loader can write.", examples=[{"address": 0x0FFC0000, "size": "256 KiB"}])
@dataclass(frozen=True)
class LoaderWindow:
    """A range of the address space."""

    name: str
    address: int = setting("Where it starts, as the firmware sees it. Unit: bytes.", examples=[0x0FFC0000], **ADDRESSES)
    size: Bytes = setting("How large it is. Unit: bytes, or text with KiB or MiB.", examples=["256 KiB"])


@section(
    "",
    "What loads the ELF file, if it has demands of its own.",
    examples=[{"kind": "remoteproc", "windows": {"code_tcm": {"address": 0x0FFC0000, "size": "256 KiB"}}}],
)
@dataclass(frozen=True)
class Loader:
    """The loader of the firmware."""

    kind: str = setting(
        "remoteproc: Linux. The vector table's section is then called .interrupts, memory without initial values is in"
        " no segment, and each segment must lie inside a window and end before the window's last byte.",
        examples=["remoteproc"],
        enum=["remoteproc"],
    )
    windows: tuple[LoaderWindow, ...] = setting(
        "Ranges that it can write, by name.",
        examples=[{"code_tcm": {"address": 0x0FFC0000, "size": "256 KiB"}}],
        by_name=True,
        minProperties=1,
        propertyNames={"pattern": "^[a-z][a-z0-9_]*$"},
    )
