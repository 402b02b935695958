"""What a hostile firmware can do to the machine that runs it in QEMU: its semihosting calls, in real QEMU."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etbuild.firmware import simulators
from etbuild.hardware.boards import board_file, load_board

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

SOURCE = Path(__file__).parent / "native/semihosting.c"
LINKER_SCRIPT = """\
SECTIONS {
    . = 0x10000000;
    .vectors : { KEEP(*(.vectors)) }
    .text : { *(.text*) *(.rodata*) }
    /DISCARD/ : { *(.ARM*) }
}
"""
FILES = {"old", "removed"}

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


@pytest.fixture
def shipped() -> Board:
    """The board of QEMU that comes with etbuild: it has a UART, and its exit code goes through semihosting."""
    file = board_file("qemu-mps3-an547")
    assert file is not None
    return load_board(file)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, board: Board, *flags: str) -> simulators.SimulatorResult:
    """The hostile firmware in QEMU, in a folder with FILES."""
    made, inside = folder / "made", folder / "inside"
    made.mkdir()
    inside.mkdir()
    for name in FILES:
        (inside / name).touch()
    (made / "link.ld").write_text(LINKER_SCRIPT)
    core = ["-mcpu=cortex-m55", "-mthumb", "-O1", "-nostdlib", "-ffreestanding"]
    elf = made / "hostile.elf"
    command = ["arm-none-eabi-gcc", *core, *flags, "-T", str(made / "link.ld"), "-e", "reset", str(SOURCE)]
    subprocess.run([*command, "-o", str(elf)], check=True)
    monkeypatch.chdir(inside)
    request = simulators.Request("qemu", board, "emulator", "", elf, 20)
    return simulators.run(simulators.command(request, "qemu"), 20)


def names(folder: Path) -> set[str]:
    return {file.name for file in (folder / "inside").iterdir()}


def test_a_firmware_on_a_board_with_a_uart_reaches_no_file_and_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Board
) -> None:
    """Its calls do nothing but the one for the exit code."""
    result = run(tmp_path, monkeypatch, shipped, "-DCOMMAND")

    assert names(tmp_path) == FILES
    assert (result.code, result.output) == (7, b"")


def test_a_board_without_semihosting_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Board) -> None:
    """The first call is an exception of the processor."""
    result = run(tmp_path, monkeypatch, replace(shipped, semihosting=False), "-DCOMMAND")

    assert names(tmp_path) == FILES
    assert result.code != 7


def test_a_firmware_on_a_board_without_a_uart_prints_and_starts_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Board
) -> None:
    """QEMU ends when it would start one."""
    result = run(tmp_path, monkeypatch, replace(shipped, uart=None), "-DCOMMAND")

    assert "executed" not in names(tmp_path)
    assert (result.code, result.output) == (-31, b"printed\n")


def test_a_firmware_on_a_board_without_a_uart_can_still_write_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shipped: Board
) -> None:
    """The limit that docs/boards.md states: no option of QEMU prevents it."""
    result = run(tmp_path, monkeypatch, replace(shipped, uart=None))

    assert names(tmp_path) == {"new", "written"}
    assert (result.code, result.output) == (7, b"printed\n")
