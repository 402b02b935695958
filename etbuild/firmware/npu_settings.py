"""How a board's NPU is connected, as the values of its registers: the generated npu::Settings of npu/ethosu.h.

The entries for commands, weights, scratch and fast scratch follow the target's memory mode unless the board says
something else; limits and memory types are those of Arm's core driver unless it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.hardware.board_npu import AxiLimit
from etbuild.hardware.npus import catalog

if TYPE_CHECKING:
    from etbuild.hardware.board import Board, Region
    from etbuild.hardware.board_npu import Axi

# By family, in the order of the registers: AXI_LIMIT0-3, on U85 AXI_SRAM and AXI_EXT.
_LIMITS = {
    "u55": (AxiLimit(32, 16, 64),) * 4,
    "u65": (AxiLimit(64, 32, 64),) * 4,
    "u85": (AxiLimit(12, 16, 256), AxiLimit(64, 32, 256)),
}
_BURSTS = {64: 0, 128: 1, 256: 2}
_NON_SECURE, _PRIVILEGED = 2, 1
# The AXI port of entries 0 to 3.
_PORTS = (0, 0, 1, 1)


def settings_source(board: Board, family: str, memory_mode: str, timeout_s: float) -> str:
    """The definition of port::npu_settings in C++.

    family:      u55, u65 or u85.
    memory_mode: Vela's.
    timeout_s:   of one job, in seconds.
    """
    npu = board.npu
    windows = "".join(f"    {_window(region)},\n" for region in _special(board))
    table = f"const npu::Window npu_windows[] = {{\n{windows}}};\n" if windows else ""
    named = f"npu_windows, {windows.count(chr(10))}" if windows else "nullptr, 0"
    protection = (_PRIVILEGED if npu.privileged else 0) | (0 if npu.secure else _NON_SECURE)
    commands, regions = _entries(npu.axi, memory_mode)
    axi = ", ".join(f"{word:#010x}" for word in _axi_words(npu.axi, family))
    ticks = round(timeout_s * board.cpu.clock_hz)
    return (
        f"{table}extern const npu::Settings npu_settings;\n"
        f"const npu::Settings npu_settings{{\n    {protection}, {commands}, {regions:#06x}, {{{axi}}},\n"
        f"    {ticks}u, {named}}};\n"
    )


def driver_definitions(board: Board, family: str, memory_mode: str) -> tuple[str, ...]:
    """The same settings for Arm's core driver, as "NAME=value" for the preprocessor; without those of its default."""
    axi = board.npu.axi
    commands, regions = _entries(axi, memory_mode)
    named = {"NPU_QCONFIG": commands}
    named |= {f"NPU_REGIONCFG_{number}": regions >> 2 * number & 3 for number in range(3)}
    for number, kind in enumerate(axi.memory_types):
        attribute = _PORTS[number] << 2 | kind << 4
        named |= {f"NPU_MEM_ATTR_{number}": attribute} if family == "u85" else {f"AXI_LIMIT{number}_MEM_TYPE": kind}
    names = ("_SRAM", "_EXT") if family == "u85" else ("0", "1", "2", "3")
    for name, limit in zip(names, axi.limits, strict=False):
        least, end = (1, "_M1") if family == "u85" else (0, "S")
        beats = "MAX_BEATS" if family == "u85" else "MAX_BEATS_BYTES"
        named[f"AXI_LIMIT{name}_MAX_OUTSTANDING_READ{end}"] = limit.reads - least
        named[f"AXI_LIMIT{name}_MAX_OUTSTANDING_WRITE{end}"] = limit.writes - least
        named[f"AXI_LIMIT{name}_{beats}"] = _BURSTS[limit.burst_bytes]
    return tuple(f"{name}={value}" for name, value in named.items())


def _special(board: Board) -> list[Region]:
    """The regions that the NPU sees elsewhere, or that need no cache maintenance."""
    cached = board.cpu.cache_line > 0
    return [one for one in board.memory if one.npu_address is not None or (cached and one.npu and not one.cacheable)]


def _window(region: Region) -> str:
    seen = region.address if region.npu_address is None else region.npu_address
    offset = (seen - region.address) % 2**32
    cacheable = "true" if region.cacheable else "false"
    return f"{{{region.address:#010x}, {region.end - 1:#010x}, {offset:#010x}, {cacheable}}}"


def _entries(axi: Axi, memory_mode: str) -> tuple[int, int]:
    """QCONFIG and REGIONCFG."""
    modes = catalog().stock.memory_modes
    mode = modes.get(memory_mode) or modes["Shared_Sram"]
    weights = _chosen(axi.weights, {"axi0": 1, "axi1": 3}[mode.const])
    scratch = _chosen(axi.scratch, {"axi0": 0, "axi1": 3}[mode.arena])
    fast_scratch = _chosen(axi.fast_scratch, {"axi0": 0, "axi1": 3}[mode.cache])
    return _chosen(axi.commands, min(weights, 2)), weights | scratch << 2 | fast_scratch << 4


def _chosen(of_board: int | None, of_mode: int) -> int:
    return of_mode if of_board is None else of_board


def _axi_words(axi: Axi, family: str) -> list[int]:
    """The registers from offset 40: AXI_LIMIT0-3, on U85 MEM_ATTR0-3, AXI_SRAM and AXI_EXT."""
    limits = axi.limits or _LIMITS[family]
    types = axi.memory_types or (0,) * 4
    if family == "u85":
        attributes = [port << 2 | kind << 4 for port, kind in zip(_PORTS, types, strict=True)]
        return attributes + [
            one.reads - 1 | (one.writes - 1) << 8 | _BURSTS[one.burst_bytes] << 16 for one in limits[:2]
        ]
    return [
        _BURSTS[one.burst_bytes] | kind << 4 | (one.reads - 1) << 16 | (one.writes - 1) << 24
        for one, kind in zip(limits, types, strict=True)
    ]
