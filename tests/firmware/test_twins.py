"""The twins of the vendors' boards, run: the register driver, their UARTs and sources, beside and in QEMU."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from images import build

from etbuild.firmware import simulators
from etbuild.hardware.boards import load_board
from etbuild.steps import run

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
        reason="no QEMU or no cross compiler on this machine",
    ),
]


def exact(folder: Path, name: str, npu: str, board: str) -> list[object]:
    """Where an image ran, its vectors, and how many of them were bit-exact."""
    image = build(folder, name, npu, board)
    options = image.run_options()
    options[options.index("--timeout") + 1] = "300"
    assert run.main([*options, "--on", "qemu"]) == 0
    report = json.loads((folder / "run.json").read_text())
    return [report["runner"], report["vectors"], report["bit_exact"]]


@pytest.mark.parametrize(
    ("board", "name", "npu"),
    [
        ("alif-e8-he-qemu", "linear_u55.pte", "ethos-u55-128"),
        ("alif-e8-hp-u85-qemu", "linear_u85_segment.pte", "ethos-u85-256"),
        ("imx93-evk-qemu", "linear_cpu.pte", ""),
        ("imx93-evk-qemu", "linear_u65_256.pte", "ethos-u65-256"),
    ],
)
def test_the_image_of_a_board_runs_on_its_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: str, name: str, npu: str
) -> None:
    """Its registers, UART and start are those of the board: 16550 and LPUART, MPU, secure or not."""
    monkeypatch.chdir(tmp_path)
    where = f"{board} (NPU beside QEMU)" if npu else f"{board} (QEMU)"

    assert exact(tmp_path, name, npu, board) == [where, 3, 3]


def test_the_npu_reaches_a_tcm_at_its_other_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arena and scratch of the Alif HE core in its DTCM, which only the CPU has at 0x20000000."""
    monkeypatch.chdir(tmp_path)
    placement = "placement: {arena: dtcm, scratch: dtcm, fast_scratch: dtcm}"
    (tmp_path / "mine.yaml").write_text(f"extends: alif-e8-he-qemu\n{placement}\nuart: CMSDK\n".replace("CMSDK", UART))

    assert exact(tmp_path, "linear_u55.pte", "ethos-u55-128", "mine.yaml")[1:] == [3, 3]


# The address of the 16550 on another board, which QEMU's machine has nothing at, and that of the twin.
@pytest.mark.parametrize("address", [0x4901A000, 0x59304000])
def test_a_driver_that_does_not_look_at_the_status_loses_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: int
) -> None:
    """What is behind the 16 that the FIFO takes, and the driver that looks is not hurt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(f"extends: alif-e8-he-qemu\nuart: {{address: {address}}}\ninit: [careless.c]\n")
    (tmp_path / "careless.c").write_text(
        f"""
        #include "port/board_init.h"
        void etb_board_init(void) {{
            volatile unsigned* uart = (volatile unsigned*){address};
            uart[2] = 1;
            for (const char* text = "0123456789abcdefghijklmnop"; *text; ++text) uart[0] = *text;
        }}
        """
    )
    image = build(tmp_path, "linear_u55.pte", "ethos-u55-128", "mine.yaml")
    board = load_board(tmp_path / "mine.yaml")

    result = simulators.simulate(simulators.Request("qemu", board, "ethosu", image.npu, image.elf, 60), "qemu")

    printed = re.sub(rb"qemu-system-arm: warning.*\n", b"", result.output)
    assert printed.startswith(b"0123456789abcdef~")
    assert result.code == 0


# QEMU has this one itself, so that it prints at once.
UART = "{kind: cmsdk, address: 0x59303000, clock_hz: 25000000}"
