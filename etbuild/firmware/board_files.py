"""Generates from a board what a firmware needs: linker script, C++ header, the simulators' command lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.firmware.elf_segments import entry_address
from etbuild.firmware.planned_buffers import PlacedBuffer, sections
from etbuild.hardware.board_console import TRACE_OFFSET, TRACE_REST

if TYPE_CHECKING:
    from etbuild.hardware.board import Board, Placement
    from etbuild.hardware.board_console import Uart

# The character "end of transmission" on the UART stops an FVP; ExecuTorch's runners use the same.
_FVP_STOP = "shutdown_on_eot"

# The sections of .data: with the addresses through which position-independent libraries find their variables.
_DATA = "*(.data .data.* .got .got.plt)"
# The ends of the tables that libgcc's unwinder would read.
_NO_EXCEPTIONS = "    __exidx_start = 0;\n    __exidx_end = 0;\n"


@dataclass(frozen=True)
class Layout:
    """A board with the sizes of one firmware. fast_scratch_bytes: as Vela allocated it.

    buffers: planned buffers outside of the arena.
    """

    board: Board
    placement: Placement
    stack_bytes: int
    fast_scratch_bytes: int
    buffers: tuple[PlacedBuffer, ...] = ()


def linker_script(layout: Layout) -> str:
    """A linker script for GNU ld.

    Arena and scratch are the rest of their regions after all other sections; in one region they share that rest.
    """
    board, at = layout.board, layout.placement
    line = max(32, board.cpu.cache_line)
    segment = _segments(board)
    table = ".interrupts" if board.loader else ".vectors"
    variables = _variable_sections(layout, segment)
    planned = sections(layout.buffers, segment.none)
    rest = planned + _rest_sections(at, line, segment.none) + _board_sections(board, segment.table)
    regions = "".join(
        f"    {region.name} (rwx) : ORIGIN = {region.address:#010x}, LENGTH = {region.size:#x}\n"
        for region in board.memory
    )
    return f"""\
/* Made from boards/{board.name}.yaml. */
ENTRY(etb_reset)
MEMORY
{{
{regions}}}
{segment.declared}SECTIONS
{{
    {table} : ALIGN({board.vector_alignment}) {{ KEEP(*(.vectors)) }} > {at.code}{segment.code}
    .text : {{ *(.text .text.*) . = ALIGN(4); *(.rodata .rodata.*) }} > {at.code}{segment.code}
    .init_array : ALIGN(4)
    {{
        etb_init_array = .;
        KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*) .init_array))
        etb_init_array_end = .;
    }} > {at.code}{segment.code}
{variables}    .model : ALIGN(16) {{ etb_model = .; KEEP(*(.model)) etb_model_end = .; }} > {at.model}{segment.model}
    .test_vectors : ALIGN(16)
    {{
        etb_vectors = .; KEEP(*(.test_vectors)) etb_vectors_end = .;
    }} > {at.vectors}{segment.vectors}
    .fast_scratch (NOLOAD) : ALIGN({line})
    {{
        etb_fast_scratch = .; . += {layout.fast_scratch_bytes}; etb_fast_scratch_end = .; . = ALIGN({line});
    }} > {at.fast_scratch}{segment.none}
{rest}    .texts 0 (INFO) : {{ KEEP(*(.texts)) }}
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .note*) }}
{_NO_EXCEPTIONS}}}
"""


class _Segments(NamedTuple):
    """What follows a section's region: the segment that it is in. Without a loader the linker chooses."""

    declared: str = ""
    code: str = ""
    data: str = ""
    model: str = ""
    vectors: str = ""
    table: str = ""
    none: str = ""


def _variable_sections(layout: Layout, segment: _Segments) -> str:
    """Stack and variables; the initial values are stored with the code."""
    at = layout.placement
    return f"""\
    .stack (NOLOAD) : ALIGN(8)
    {{
        etb_stack = .; . += {layout.stack_bytes}; . = ALIGN(8); etb_stack_top = .;
    }} > {at.stack}{segment.none}
    .data : ALIGN(4)
    {{
        etb_data = .; {_DATA} . = ALIGN(4); etb_data_end = .;
    }} > {at.data} AT> {at.code}{segment.data}
    etb_data_load = LOADADDR(.data);
    .bss (NOLOAD) : ALIGN(4)
    {{
        etb_bss = .; *(.bss .bss.* COMMON) . = ALIGN(4); etb_bss_end = .;
    }} > {at.data}{segment.none}
"""


def _segments(board: Board) -> _Segments:
    """For a loader: a segment for each part with initial values, and none for memory without."""
    if board.loader is None:
        return _Segments()
    flags = {"code": 5, "data": 6, "model": 4, "vectors": 4, "table": 4}
    rows = "".join(f"    {name} PT_LOAD FLAGS({bits});\n" for name, bits in flags.items())
    return _Segments(f"PHDRS\n{{\n{rows}}}\n", none=" :NONE", **{name: f" :{name}" for name in flags})


def _board_sections(board: Board, segment: str) -> str:
    """The resource table of a trace buffer, and the symbols for the board's own sources."""
    trace = board.uart if board.uart and board.uart.kind == "remoteproc-trace" else None
    table = f"    .resource_table : {{ KEEP(*(.resource_table)) }} > {trace.region}{segment}\n" if trace else ""
    regions = board.memory if board.init else ()
    return table + "".join(
        f"    etb_region_{one.name} = ORIGIN({one.name});\n"
        f"    etb_region_{one.name}_end = ORIGIN({one.name}) + LENGTH({one.name});\n"
        for one in regions
    )


def _rest_sections(at: Placement, line: int, segment: str) -> str:
    """The last section of the regions of arena and scratch, with symbols for the start and the end of the free rest.

    line:    of the cache, which the start is aligned to, in bytes.
    segment: as in _Segments.
    """
    regions = {"arena": at.arena} if at.scratch == at.arena else {"arena": at.arena, "scratch": at.scratch}
    sections = "".join(
        f"    .{name}_start (NOLOAD) : ALIGN({line}) {{ etb_{name} = .; }} > {region}{segment}\n"
        f"    etb_{name}_end = ORIGIN({region}) + LENGTH({region});\n"
        for name, region in regions.items()
    )
    if "scratch" not in regions:
        sections += "    etb_scratch = etb_arena;\n    etb_scratch_end = etb_arena_end;\n"
    return sections


def header(board: Board) -> str:
    """board.h: constants of a board for the C++ sources of port/."""
    uart = board.uart
    return f"""\
// Made from boards/{board.name}.yaml.
#pragma once

#include <cstdint>

namespace etb::board {{

constexpr char name[] = "{board.name}";
constexpr std::uint32_t clock_hz = {board.cpu.clock_hz};
constexpr std::uint32_t cache_line = {board.cpu.cache_line};
constexpr bool has_cycle_counter = {_bool(board.cpu.counter == "dwt")};
constexpr bool has_uart = {_bool(uart is not None)};
constexpr std::uintptr_t uart_address = {uart.address if uart else 0:#010x};
constexpr std::uint32_t uart_divisor = {_divisor(uart)};
constexpr bool semihosting = {_bool(board.semihosting)};
constexpr std::uintptr_t npu_address = {board.npu.address:#010x};
constexpr std::uint32_t npu_interrupt = {board.npu.interrupt};
{_console_constants(board)}
}}  // namespace etb::board
"""


def _divisor(uart: Uart | None) -> int:
    """What a UART's clock is divided by; 0 for a console that is none."""
    if uart is None or not uart.has_registers:
        return 0
    return max(16, round(uart.clock_hz / uart.baud)) if uart.kind == "cmsdk" else uart.divisor_16


def _console_constants(board: Board) -> str:
    """The constants of some kinds of consoles only."""
    uart = board.uart
    rows = {}
    if uart and uart.kind == "ns16550":
        rows = {"uart_shift": uart.register_shift}
    elif uart and uart.kind == "rtt":
        rows = {"rtt_bytes": uart.buffer}
    elif uart and uart.kind == "remoteproc-trace":
        region = board.region(uart.region)
        used = TRACE_OFFSET + TRACE_REST
        rows = {"trace_address": region.address + TRACE_OFFSET, "trace_bytes": region.size - used}
    return "".join(f"constexpr std::uint32_t {name} = {value:#x};\n" for name, value in rows.items())


def qemu_arguments(board: Board, elf: Path) -> list[str]:
    """QEMU's arguments. With -icount its clock counts instructions, so a cycle count is reproducible."""
    return [
        *("-machine", board.qemu, "-display", "none", "-monitor", "none"),
        *_qemu_console(board),
        *("-icount", "shift=0,align=off,sleep=off"),
        *("-kernel", str(elf)),
        *(("-device", f"loader,addr={entry_address(elf):#x},cpu-num=0") if board.starts_at_entry else ()),
    ]


def _qemu_console(board: Board) -> list[str]:
    """Where the firmware prints, and no more semihosting than it needs: a firmware may be hostile.

    With a UART only the exit code needs it: QEMU passes all other calls to gdb, and without gdb they do nothing.
    Without a UART QEMU itself has to answer, as only then it prints. It then opens any file that the user can open,
    which no option of QEMU prevents; a firmware that runs a command ends QEMU.
    """
    if not board.uart:
        native = ("-semihosting-config", "enable=on,target=native,chardev=host")
        return ["-chardev", "stdio,id=host", *native, "-sandbox", "on,spawn=deny"]
    exit_code = ["-semihosting-config", "enable=on,target=gdb"] if board.semihosting else []
    return ["-serial", "stdio", *exit_code]


def fvp_arguments(board: Board, macs: int, elf: Path, timing: bool, limit_s: float) -> list[str]:
    """An FVP's arguments.

    macs:    MACs per cycle of the NPU.
    timing:  use the timing adapters, which give memory the bandwidth and latency of the real system.
    limit_s: the FVP ends after this time, in seconds.
    """
    fvp = board.fvp
    assert fvp is not None
    parameters = [(f"{fvp.npu}.num_macs", str(macs)), *fvp.parameter_texts]
    if not timing:
        parameters.append((f"{fvp.npu}.extra_args", "--fast"))
    if board.semihosting:
        parameters.append((f"{fvp.cpu}.semihosting-enable", "1"))
    if fvp.uart:
        parameters += [(f"{fvp.uart}.out_file", "-"), (f"{fvp.uart}.{_FVP_STOP}", "1")]
    settings: Sequence[str] = [text for name, value in parameters for text in ("-C", f"{name}={value}")]
    return [*settings, "-a", str(elf), "--timelimit", f"{limit_s:g}"]


def _bool(value: bool) -> str:
    return "true" if value else "false"
