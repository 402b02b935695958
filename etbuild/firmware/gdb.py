"""Starts a firmware in QEMU, stopped at its first instruction, and prints the gdb command that connects to it."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from etbuild import RUNTIME
from etbuild.errors import UsageError, exit_code_of
from etbuild.firmware.board_files import qemu_arguments
from etbuild.hardware.boards import board_file, load_board
from etbuild.system import tools
from etbuild.system.parent import ends_with_parent
from etbuild.virtual_npu.board_devices import needs_trap

PORT = 1234


def main(argv: Sequence[str]) -> int:
    """Run QEMU until it ends; its exit code.

    raises: UsageError for a board that QEMU does not emulate; MissingTool without QEMU.
    """
    options = _parser().parse_args(argv)
    board = load_board(board_file(options.board) or Path(options.board), Path(options.board))
    if not board.qemu:
        raise UsageError(f"debug: got {board.name}, wanted a board that QEMU emulates")
    qemu = [str(tools.program("qemu-system-arm")), *qemu_arguments(board, options.elf)]

    def announce() -> None:
        print(f"QEMU waits for gdb on port {options.port}; Ctrl-C ends it. In another terminal:", flush=True)
        print(f"    {shlex.join(gdb_command(options.elf, options.port))}", flush=True)

    npu = options.npu if options.driver == "ethosu" else ""
    if needs_trap(board, npu):
        from etbuild.virtual_npu import debug_server, session

        debug_server.serve(session.Guest(qemu, board, npu, options.elf), options.port, sys.stdout, announce)
        return 0
    announce()
    words = [*qemu, "-S", "-gdb", f"tcp:127.0.0.1:{options.port}"]
    return subprocess.run(words, check=False, preexec_fn=ends_with_parent()).returncode


def gdb_command(elf: Path, port: int) -> list[str]:
    """The command for gdb. In debug information the sources are relative to the folder of the package etbuild."""
    commands = [f"directory {RUNTIME.parent}", f"target remote 127.0.0.1:{port}", "break etb::app::run", "continue"]
    return ["gdb-multiarch", str(elf), *(text for command in commands for text in ("-ex", command))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.firmware.gdb", description=__doc__, allow_abbrev=False)
    parser.add_argument("--elf", type=Path, required=True, help="firmware.elf")
    parser.add_argument("--board", required=True, help="a board's name, or its file")
    parser.add_argument("--driver", default="emulator", help="the firmware's NPU: ethosu or emulator")
    parser.add_argument("--npu", default="", help="what the model was compiled for, e.g. ethos-u55-128")
    parser.add_argument("--port", type=int, default=PORT)
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
