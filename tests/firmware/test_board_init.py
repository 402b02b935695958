"""The sources that a board brings with it: called before main, in C and C++; and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from images import build

from etbuild.errors import StepError
from etbuild.firmware import simulators
from etbuild.firmware.protocol import read_transcript
from etbuild.hardware.boards import load_board

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]
# It prints through semihosting, which only QEMU itself answers.
BOARD = """\
extends: qemu-mps3-an547
uart: null
init: [clocks.c, clocks.h, power.cc]
"""
C_SOURCE = """\
#include "clocks.h"
#include "port/board_init.h"

static int from_data = NUMBER;
static int from_bss;
extern char etb_region_sram[], etb_region_sram_end[];

void etb_board_init(void) {
    static char text[] = "clocks 0, power 0, sram 0\\n";
    text[7] = (char)('0' + from_data + from_bss);
    text[16] = (char)('0' + power());
    text[24] = (char)('0' + (etb_region_sram_end - etb_region_sram == 4 << 20));
    register int operation __asm("r0") = 4;
    register const char* parameter __asm("r1") = text;
    __asm volatile("bkpt 0xAB" : "+r"(operation) : "r"(parameter) : "memory");
}
"""
FILES = {
    "_mine.yaml": BOARD,
    "clocks.c": C_SOURCE,
    "clocks.h": "#define NUMBER 7\nint power(void);\n",
    "power.cc": 'extern "C" int power();\nextern "C" int power() { return 3; }\n',
}


def write(folder: Path, **changed: str) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(changed.get(name.partition(".")[0].strip("_"), text))


def console(folder: Path) -> tuple[str, str]:
    """What an image printed beside its frames, and what was wrong with them."""
    image = build(folder, "linear_cpu.pte", "", "_mine.yaml")
    request = simulators.Request("qemu", load_board(folder / "_mine.yaml"), "emulator", "", image.elf, 60)
    transcript = read_transcript(simulators.run(simulators.command(request, "qemu"), 60).output)
    return transcript.text, transcript.problem


def test_the_sources_of_a_board_are_called_before_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables have their values, a function in C++ is called from C, and the regions have symbols; then a header
    changes, and the objects with it.
    """
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    assert console(tmp_path) == ("clocks 7, power 3, sram 1", "")

    write(tmp_path, clocks=FILES["clocks.c"])
    (tmp_path / "clocks.h").write_text("#define NUMBER 8\nint power(void);\n")

    assert console(tmp_path) == ("clocks 8, power 3, sram 1", "")


def test_sources_without_the_function_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would never be called."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    (tmp_path / "clocks.c").write_text("void board_init(void) {}\n")

    with pytest.raises(StepError, match="required symbol `etb_board_init' not defined"):
        build(tmp_path, "linear_cpu.pte", "", "_mine.yaml")


def test_an_error_in_a_source_is_the_compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its place."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    (tmp_path / "clocks.c").write_text("void etb_board_init(void) { clocks_on() }\n")

    with pytest.raises(StepError, match=r"clocks\.c:1:40: error: expected"):
        build(tmp_path, "linear_cpu.pte", "", "_mine.yaml")
