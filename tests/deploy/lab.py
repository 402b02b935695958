"""The board `lab` of the tests: qemu-mps3-an547 with a section deploy, its image, and the steps that use it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from images import write_inputs

from etbuild.deploy import job
from etbuild.errors import EtbuildError
from etbuild.firmware.board_files import qemu_arguments
from etbuild.hardware.boards import board_file, load_board
from etbuild.hardware.deploy_sections import Place
from etbuild.steps import deploy, firmware, run
from etbuild.system import tools
from etbuild.system.parent import ends_with_parent

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

HAS_TOOLS = bool(shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++"))
NEEDS_TOOLS = pytest.mark.skipif(not HAS_TOOLS, reason="no QEMU or no cross compiler on this machine")
NAME = "linear"


def board_text(section: str) -> str:
    base = board_file("qemu-mps3-an547")
    assert base is not None
    return base.read_text() + f"deploy: {section}\n"


def build_image(folder: Path) -> None:
    """With the board's name in its hello frame; the section deploy is no part of an image."""
    board = folder / "lab.yaml"
    board.write_text(board_text("{transport: serial}"))
    write_inputs(folder, "linear_u55.pte")
    code = firmware.main(
        [
            *("--board", str(board), "--driver", "emulator", "--stack", "16384"),
            *("--npu", "ethos-u55-128", "--memory-mode", "Shared_Sram"),
            *("--pte", str(folder / "model.pte"), "--manifest", str(folder / "manifest.json")),
            *("--vectors", str(folder / "golden.npz"), "--output", str(folder)),
        ]
    )
    assert code == 0


@dataclass
class Lab:
    """A folder of a test: the image's files are in `image`."""

    root: Path
    image: Path

    @property
    def elf(self) -> Path:
        return self.image / "firmware.elf"

    def board(self, section: str) -> Board:
        """The board with this section deploy, in YAML."""
        self.file.write_text(board_text(section))
        return load_board(self.file)

    @property
    def file(self) -> Path:
        return self.root / "lab.yaml"

    def place(self, text: str) -> None:
        """Write the user's file with these settings of the board, in YAML."""
        folder = self.root / "config/etbuild"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "boards.yaml").write_text(f"boards:\n  lab: {text}\n")

    def run(self, section: str, *more: str, limit_s: float = 30) -> int:
        """Step run on the board."""
        self.board(section)
        return run.main(
            [
                *("--pte", str(self.image / "model.pte"), "--golden", str(self.image / "golden.npz")),
                *("--elf", str(self.elf), "--board", str(self.file), "--driver", "emulator", "--npu", "ethos-u55-128"),
                *("--on", "board", "--timeout", str(limit_s), "--name", NAME, "--output", "run.json", *more),
            ]
        )

    def failure(self, section: str, *more: str, limit_s: float = 30) -> str:
        """The message of step run, which fails."""
        with pytest.raises(EtbuildError) as caught:
            self.run(section, *more, limit_s=limit_s)
        return str(caught.value)

    def deploy(self, section: str, *more: str, elf: Path | None = None) -> int:
        """Step deploy."""
        self.board(section)
        folder = elf.parent if elf else self.image
        files = [word for kind in ("elf", "bin", "hex") for word in (f"--{kind}", str(folder / f"firmware.{kind}"))]
        return deploy.main(
            ["--name", NAME, *files, "--board", str(self.file), "--output", str(self.root / "deploy.json"), *more]
        )

    def console(self) -> Path:
        """A file with what QEMU prints for the image."""
        file = self.root / "console"
        command = [str(tools.program("qemu-system-arm")), *qemu_arguments(self.board("{transport: serial}"), self.elf)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, preexec_fn=ends_with_parent()
        )
        file.write_bytes(done.stdout)
        return file

    def site(self, section: str) -> Any:
        return job.site_of(self.board(section), Place())


@contextmanager
def qemu(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU's machine of the board, until the end of the context."""
    command = [str(tools.program("qemu-system-arm")), "-machine", "mps3-an547", "-display", "none", "-monitor", "none"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=ends_with_parent(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
