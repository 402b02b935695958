"""Writes the table of boards in docs/boards.md from their files: core, NPU, console, loading, where it can run.

Run as `python -m etbuild.hardware.board_table` when a board has changed; a test checks that the table is up to date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.hardware.boards import board_file, board_names, load_board

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

PAGE = PACKAGE.parent / "docs" / "boards.md"
BEGIN, END = "<!-- made by python -m etbuild.hardware.board_table -->\n", "<!-- end of the table -->\n"
_TWIN = "-qemu"
_CONSOLES = {"remoteproc-trace": "trace0 of remoteproc", "rtt": "SEGGER RTT"}


def table() -> str:
    """The table, a row for each board that is no twin."""
    boards = [load_board(file) for file in map(board_file, board_names()) if file]
    names = {board.name for board in boards}
    rows = [
        "| board | core | NPU | prints on | flash or load | deploy | runs here |",
        "|---|---|---|---|---|---|---|",
        *(_row(board, names) for board in boards if not _is_twin(board, names)),
    ]
    return "".join(f"{row}\n" for row in rows)


def page(text: str) -> str:
    """The page with a new table. text: the page as it is."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _is_twin(board: Board, names: set[str]) -> bool:
    return board.name.endswith(_TWIN) and board.name.removesuffix(_TWIN) in names


def _row(board: Board, names: set[str]) -> str:
    twin = f"{board.name}{_TWIN}"
    runs = [
        *(["in QEMU"] if board.qemu else []),
        *([f"as `{twin}` in QEMU; not on the board"] if twin in names else []),
        *(["in an FVP, where one is installed"] if board.fvp else []),
    ]
    ways = f"`{board.deploy.transport}`, not tried on the board" if board.deploy else "none"
    cells = (f"`{board.name}`", _core(board), _npu(board), _console(board), _loading(board), ways, "; ".join(runs))
    return f"| {' | '.join(cells)} |"


def _core(board: Board) -> str:
    return f"{board.cpu.core.title()}, {board.cpu.clock_hz // 10**6} MHz"


def _npu(board: Board) -> str:
    if board.npu.driver == "emulator":
        return "any, emulated by the firmware"
    families = ", ".join(name.upper() for name in board.npu.families)
    macs = "".join(f"-{count}" for count in board.npu.macs)
    rights = [
        word
        for word, is_right in (("non-secure", not board.npu.secure), ("user", not board.npu.privileged))
        if is_right
    ]
    return f"Ethos-{families}{macs} at {board.npu.address:#010x}" + (f" ({', '.join(rights)})" if rights else "")


def _console(board: Board) -> str:
    if board.uart is None:
        return "semihosting"
    address = f" at {board.uart.address:#010x}" if board.uart.has_registers else ""
    return f"{_CONSOLES.get(board.uart.kind, board.uart.kind)}{address}"


def _loading(board: Board) -> str:
    if board.loader:
        return f"`.elf` by Linux's {board.loader.kind}"
    code, at = board.region(board.placement.code), board.placement
    if {at.model, at.vectors} != {code.name}:
        return "`.elf`, `.hex`"
    return f"`.bin` to {code.address:#010x}, or `.elf`, `.hex`"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
