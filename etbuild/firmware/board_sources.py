"""The sources that a board brings with it (`init` of its file): how they are compiled. It compiles nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.firmware.toolchain import Compilation

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.board import Board

_HEADERS = (".h", ".hpp")
_ALL = ("-Os", "-g", "-ffunction-sections", "-fdata-sections", "-Wall", "--specs=nano.specs")
_C = ("-std=c11",)
_CXX = ("-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-use-cxa-atexit")
# The linker's options for a board with sources: without this function they would never be called.
LINK = ("-Wl,--require-defined=etb_board_init",)


def compiled_files(board: Board) -> tuple[Path, ...]:
    """The board's files that are compiled: all but headers."""
    return tuple(file for file in board.init_files if file.suffix not in _HEADERS)


def board_units(board: Board) -> list[Compilation]:
    """The compilation of each of them."""
    return [
        Compilation(
            f"init/{number}-{file.name}",
            file,
            (*board.cpu.flags, *_ALL, *({".c": _C, ".S": ()}.get(file.suffix, _CXX))),
        )
        for number, file in enumerate(compiled_files(board))
    ]


def include_folders(board: Board) -> tuple[tuple[str, Path], ...]:
    """The folders of the board's files, each with a name, where their own headers are found."""
    folders = dict.fromkeys(file.parent for file in board.init_files)
    return tuple((f"init{number}", folder) for number, folder in enumerate(folders))
