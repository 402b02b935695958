"""What no schema of a board can express: regions that overlap, parts that do not fit together. It reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import KeyPath, did_you_mean, one_of, quoted
from etbuild.hardware.board_console import TRACE_OFFSET
from etbuild.hardware.deploy_checks import deploy_problems

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

# The parts of a placement that the NPU accesses.
_NPU_PARTS = ("model", "scratch", "fast_scratch")
# path, got, wanted, remedy.
Found = tuple[KeyPath, str, str, str]


def problems(board: Board, folder: Path | None) -> Iterator[Found]:
    """Every problem. folder: of the board's file, to look for the files of `init`; None to look for none."""
    yield from _memory_problems(board)
    yield from _placement_problems(board)
    yield from _vector_problems(board)
    yield from _npu_problems(board)
    yield from _console_problems(board)
    yield from deploy_problems(board)
    for text in board.init:
        file = board.init_files[board.init.index(text)] if text.startswith("<") or folder is None else folder / text
        if folder is not None and not file.is_file():
            yield ("init",), f"{quoted(text)}, which does not exist", "files next to the board's", ""


def _memory_problems(board: Board) -> Iterator[Found]:
    for region in board.memory:
        if region.end > 2**32:
            yield ("memory", region.name, "size"), f"an end at {region.end:#x}", "at most 0x100000000", ""
        for other in board.memory:
            if region.address < other.address < region.end:
                got = f"{other.address:#010x}, inside {region.name}"
                yield ("memory", other.name, "address"), got, "regions that do not overlap", ""


def _placement_problems(board: Board) -> Iterator[Found]:
    names = [region.name for region in board.memory]
    default = {part: region for part, region in vars(board.placement).items() if part != "memory_modes"}
    placements: dict[KeyPath, dict[str, str]] = {("placement",): default}
    for mode, change in board.placement.memory_modes.items():
        placements["placement", "memory_modes", mode] = {
            part: region for part, region in change.regions.items() if region != default[part]
        }
    for path, regions in placements.items():
        for part, name in regions.items():
            if name not in names:
                yield (*path, part), quoted(name), one_of(names), did_you_mean(name, names)
            elif part in _NPU_PARTS and not board.region(name).npu:
                yield (*path, part), quoted(name), "a region that the NPU can reach", f"{name} has npu: false"


def _vector_problems(board: Board) -> Iterator[Found]:
    code = next((region for region in board.memory if region.name == board.placement.code), None)
    if code and code.address % board.vector_alignment:
        wanted = f"a multiple of {board.vector_alignment:#x}"
        remedy = (
            f"the vector table is at its start, with {17 + board.npu.interrupt} entries, and VTOR ignores lower bits"
        )
        yield ("memory", code.name, "address"), f"{code.address:#010x}", wanted, remedy


def _npu_problems(board: Board) -> Iterator[Found]:
    if board.npu.driver == "ethosu" and not board.npu.address:
        yield ("npu", "driver"), "ethosu without an address", "npu.address and npu.interrupt with it", ""
    limits, words = board.npu.axi.limits, 2 if "u85" in board.npu.families else 4
    if limits and (("u85" in board.npu.families and len(board.npu.families) > 1) or len(limits) != words):
        got = f"{len(limits)} for {one_of(board.npu.families)}"
        yield ("npu", "axi", "limits"), got, "4 for u55 and u65, or 2 for u85 alone", ""
    if board.npu.driver == "emulator" and board.npu.address:
        yield ("npu", "address"), f"{board.npu.address:#x}", "nothing: the NPU is software", ""


def _console_problems(board: Board) -> Iterator[Found]:
    uart = board.uart
    if uart is None:
        if not board.semihosting:
            yield ("semihosting",), "no uart and no semihosting", "one of them, to print results", ""
        return
    if uart.has_registers:
        for key in ("address", "clock_hz", "baud"):
            if not getattr(uart, key):
                yield ("uart", key), "nothing", f"a number, with kind: {uart.kind}", ""
    names = [region.name for region in board.memory]
    if uart.kind == "remoteproc-trace" and uart.region not in names:
        got = quoted(uart.region) if uart.region else "nothing"
        yield ("uart", "region"), got, one_of(names), did_you_mean(uart.region, names)
    elif uart.kind == "remoteproc-trace":
        parts = [part for part, region in vars(board.placement).items() if region == uart.region]
        if parts or board.region(uart.region).size < 2 * TRACE_OFFSET:
            got = f"{uart.region}, which holds {parts[0]} too" if parts else f"{uart.region}, which is too small"
            yield ("uart", "region"), got, f"a region of its own, of at least {2 * TRACE_OFFSET} bytes", ""
