"""Firmware written from the public description of the registers alone, on the NPU beside QEMU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from etbuild.hardware.boards import board_file, load_board
from etbuild.virtual_npu.session import Ending, Guest, run
from tests.virtual_npu import third_party

ROOT = Path(__file__).parents[2]
LIMIT_S = 90
QEMU = ("qemu-system-arm", "-machine", "mps3-an547", "-display", "none", "-monitor", "none", "-serial", "stdio")
DETERMINISTIC = ("-icount", "shift=0,align=off,sleep=off")
EXIT_CODE = ("-semihosting-config", "enable=on,target=gdb")
PTES = {
    "ethos-u55-128": "linear_u55.pte",
    "ethos-u65-512": "linear_u65_512.pte",
    "ethos-u85-256": "linear_u85_segment.pte",
}


def lines(elf: Path, npu: str = "ethos-u55-128", *options: str) -> tuple[list[str], Ending]:
    """What it prints, and how it ends."""
    file = board_file("corstone-300")
    assert file is not None
    words = [*QEMU, *(options or DETERMINISTIC), *EXIT_CODE, "-kernel", str(elf)]
    with tempfile.TemporaryFile() as output:
        ending = run(Guest(words, load_board(file), npu, elf), output, LIMIT_S)
        output.seek(0)
        printed = output.read().decode().splitlines()
    assert ending.problem == ""
    return [line for line in printed if not line.startswith("qemu-system-arm: warning")], ending


@pytest.mark.parametrize("npu", PTES)
@pytest.mark.parametrize("flags", [("-O0",), ("-Os",), ("-O3", "-funroll-loops")], ids=" ".join)
def test_a_driver_that_polls_runs_three_jobs(flags: tuple[str, ...], npu: str, tmp_path: Path) -> None:
    """Compiled without and with optimisation, which changes every access to a register; each output is right."""
    pte = third_party.PTES / PTES[npu]
    family = ("-DU85",) if "u85" in npu else ()

    printed, ending = lines(third_party.build(tmp_path, "polls", pte, *flags, *family), npu)

    assert printed[1] == "PROT=0x00000001"
    assert printed[3:] == ["STATUS=0x00000022", "QREAD=0x00000000", "right"] * 3
    assert (ending.code, ending.jobs, ending.faults) == (0, 3, ())


@pytest.mark.parametrize("options", [DETERMINISTIC, ("-accel", "tcg")], ids=["icount", "free running"])
def test_a_driver_that_sleeps_is_woken_once_a_job(options: tuple[str, ...], tmp_path: Path) -> None:
    """The interrupt comes with irq and end_reached in STATUS, and is gone when the handler has cleared it."""
    printed, ending = lines(third_party.build(tmp_path, "interrupts"), "ethos-u55-128", *options)

    job = ["STATUS in the handler=0x00000022", "STATUS behind it=0x00000020", "right"]
    assert printed == [*job, *job, *job, "interrupts=0x00000003"]
    assert (ending.code, ending.jobs) == (0, 3)


def test_a_non_secure_npu_is_driven_by_the_non_secure_alias(tmp_path: Path) -> None:
    """RESET=2: non-secure and user, with memory by its non-secure addresses; at secure ones the bus has an error."""
    printed, ending = lines(third_party.build(tmp_path, "nonsecure"))

    assert printed == [
        *("PROT after power-on=0x00000001", "PROT=0x00000002", "PROT=0x00000002", "STATUS=0x00000022"),
        *("right", "STATUS with secure addresses=0x00000006"),
    ]
    assert ending.code == 0
    assert [re.sub(r"0x3\w+", "SRAM", one) for one in ending.faults] == [
        "NPU: bus fault at byte 0 of the command stream: no memory answers the fetch of a command at SRAM, "
        "which is secure: the NPU is not (PROT)"
    ]


def test_status_says_what_a_driver_did_wrong(tmp_path: Path) -> None:
    """Bits: 0 running, 1 irq, 2 bus fault, 4 parse fault, 5 end reached. Only a reset leaves a fault behind."""
    printed, ending = lines(third_party.build(tmp_path, "faults"))

    assert printed == [
        *("stream cut before its STOP=0x00000012", "not written", "QREAD=0x00000004"),
        *("stream outside memory=0x00000006", "not written"),
        *("weights outside memory=0x00000006", "not written"),
        *("scratch outside memory=0x00000006", "not written"),
        *("a run after a fault=0x00000006", "not written"),
        *("the interrupt cleared=0x00000004", "not written"),
        *("a command that does not exist=0x00000012", "not written"),
        *("QSIZE while running=0x00000000", "a second run while running=0x00000022", "written"),
        *("running=0x00000001", "a reset while running=0x00000000", "not written"),
        *("STATUS by the non-secure alias=0x00000000", "run by the non-secure alias of a secure NPU=0x00000000"),
        *("not written", "PROT after a reset by the alias=0x00000001"),
    ]
    assert (ending.code, ending.jobs) == (0, 6)


def test_every_shape_of_access_does_what_the_processor_does(tmp_path: Path) -> None:
    """In an IT block the next instructions keep their conditions; lists, pairs and written back bases arrive."""
    printed, ending = lines(third_party.build(tmp_path, "conditional"), "ethos-u65-512")

    assert printed == [
        *("done=0x00000050", "seen=0x10006009", "skipped=0x00001234", "base=0x00000090"),
        *("several=0x00000011", "several=0x00000022", "several=0x00000033"),
        *("pair=0x00000022", "pair=0x00000033", "fourth=0x00000011"),
    ]
    assert ending.code == 0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["add_u55", "mnist_u55"])
def test_the_header_of_a_shipped_recipe_runs(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As doit builds it: the delegate of add and of MNIST, each bit by bit what the emulator of the host has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    shutil.copy(ROOT / "dodo.py", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    built = tmp_path / "build" / recipe / "ethos-u55-128"
    command = [sys.executable, "-m", "doit", f"header:{recipe}@ethos-u55-128"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=600)
    text = (built / "model.h").read_text()
    third_party.write_model(tmp_path, built / "model.pte")
    symbol = f"{recipe}_pte"
    section = '__attribute__((section(".npu_constants"))) '
    text = text.replace(f"_ALIGNED const unsigned char {symbol}", f"_ALIGNED {section}const unsigned char {symbol}")
    names = f"#define model_pte {symbol}\n#define MODEL_PTE_SIZE {symbol.upper()}_SIZE\n"
    (tmp_path / "model.h").write_text(f"#define {symbol.upper()}_DEFINE\n{text}{names}")

    printed, ending = lines(third_party.link(tmp_path, "polls"))

    assert printed[3:] == ["STATUS=0x00000022", "QREAD=0x00000000", "right"] * 3
    assert (ending.code, ending.jobs) == (0, 3)
