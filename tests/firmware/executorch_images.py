"""Images of engine executorch for the tests: built by the real step against the stand-in, run in QEMU, looked into."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from executorch_prefix import write_driver, write_prefix, write_source
from images import Image, write_inputs

from etbuild.steps import firmware, run


def prepare(patch: pytest.MonkeyPatch, prefix: Path, cache: Path, folder: Path) -> None:
    """Enter a folder, with Arm's core driver and a cache."""
    patch.setenv("XDG_CACHE_HOME", str(cache))
    patch.setenv("ETHOSU_CORE_DRIVER", str(prefix / "driver"))
    patch.setenv("CMSIS_PATH", str(prefix / "cmsis"))
    patch.chdir(folder)


def write_checkout(folder: Path) -> None:
    """A project with all that a firmware is built from, and a board of its own."""
    write_prefix(folder / "prefix")
    write_driver(folder)
    write_source(folder / "source")
    (folder / "clocks.c").write_text('#include "clocks.h"\nvoid etb_board_init(void) { rate = 1; }\n')
    (folder / "clocks.h").write_text("static volatile int rate;\n")
    (folder / "board.yaml").write_text("extends: corstone-300\ninit: [clocks.c, clocks.h]\n")


def make(
    prefix: Path,
    pte: str = "linear_u55.pte",
    *more: str,
    npu: str = "ethos-u55-128",
    first: float | None = None,
    board: str = "corstone-300",
    output: str = ".",
) -> None:
    """An image in the current folder, with vectors of what the stand-in computes: its input negated.

    first: the first element of the first input.
    """
    write_inputs(Path.cwd(), pte)
    with np.load("golden.npz") as golden:
        inputs, outputs = golden["input_0"], golden["output_0"]
    inputs[0, 0, 0] = inputs[0, 0, 0] if first is None else first
    np.savez("golden.npz", input_0=inputs, output_0=-inputs[..., : outputs.shape[-1]])
    firmware.main(
        [
            *("--board", board, "--driver", "ethosu", "--stack", "16384", "--engine", "executorch"),
            *("--prefix", str(prefix), *(("--npu", npu, "--memory-mode", "Shared_Sram") if npu else ())),
            *(
                "--pte",
                "model.pte",
                "--manifest",
                "manifest.json",
                "--vectors",
                "golden.npz",
                "--output",
                output,
                *more,
            ),
        ]
    )


def exact(npu: str = "ethos-u55-128", limit_s: str = "60") -> list[object]:
    """Where the image of the current folder ran, its vectors, and how many of them were bit-exact."""
    options = Image(Path.cwd(), npu, "ethosu", "corstone-300").run_options()
    options[options.index("--timeout") + 1] = limit_s
    assert run.main([*options, "--on", "qemu"]) == 0
    report = json.loads(Path("run.json").read_text())
    return [report["runner"], report["vectors"], report["bit_exact"]]


def symbols(image: Path) -> dict[str, tuple[str, int]]:
    """The kind and the address of each symbol of firmware.elf."""
    command = ["arm-none-eabi-nm", str(image / "firmware.elf")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[2]: (row[1], int(row[0], 16)) for row in rows if len(row) == 3}
