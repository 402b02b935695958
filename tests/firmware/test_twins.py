"""The twins of the vendors' boards, run: the register driver, their UARTs and sources, beside and in QEMU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from images import build

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


# QEMU has this one itself, so that it prints at once.
UART = "{kind: cmsdk, address: 0x59303000, clock_hz: 25000000}"
