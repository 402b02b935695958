"""A firmware in a simulator: which one, its command, and one run of it within a time limit."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.errors import MissingTool
from etbuild.firmware.board_files import fvp_arguments, qemu_arguments
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.hardware.boards import Board

_MOST_OUTPUT = 1 << 28
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Request:
    """What is to run where. on: host, qemu, fvp or auto. npu: ethos-u55-128..., "" for none. driver: the firmware's.
    fvp: the program, None to look for it. timing: keep an FVP's timing adapters. tolerance: as Run's."""

    on: str
    board: Board
    driver: str
    npu: str
    elf: Path
    limit_s: float
    fvp: Path | None = None
    timing: bool = True
    tolerance: float = 0.0

    @property
    def fvp_name(self) -> str:
        """The FVP for this NPU; "" where the board has none."""
        programs = self.board.fvp.programs if self.board.fvp else {}
        family = self.npu.split("-")[1] if self.npu else ""
        return programs.get(family) or (next(iter(programs.values()), "") if not self.npu else "")


@dataclass(frozen=True)
class SimulatorResult:
    """code: of the process, None when the time was over. output: all that it printed."""

    code: int | None
    output: bytes
    seconds: float


def resolve(request: Request) -> str:
    """host, qemu or fvp: for auto an FVP where there is one, else QEMU where this firmware can run, else the host."""
    if request.on != "auto":
        return request.on
    if request.fvp_name and (request.fvp or tools.find(request.fvp_name)):
        return "fvp"
    runs_in_qemu = request.driver == "emulator" or not request.npu
    return "qemu" if request.board.qemu and runs_in_qemu else "host"


def command(request: Request, on: str) -> list[str]:
    """The simulator's command.

    raises: MissingTool when it is not on this machine.
    """
    if on == "qemu":
        return [str(tools.program("qemu-system-arm")), *qemu_arguments(request.board, request.elf)]
    program = request.fvp or tools.program(request.fvp_name)
    if request.fvp and not os.access(request.fvp, os.X_OK):
        raise MissingTool(f"run.fvp: got {request.fvp}, wanted the program of an FVP\n    {tools.FVP_REMEDY}")
    macs = int(request.npu.rsplit("-", 1)[1]) if request.npu else 128
    return [str(program), *fvp_arguments(request.board, macs, request.elf, request.timing, request.limit_s)]


def run(arguments: list[str], limit_s: float) -> SimulatorResult:
    """Run to the end, or kill it with all its children when the time is over. It does not outlive this process."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_bounded,
        )
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        seconds = time.perf_counter() - begin
        output.seek(0)
        return SimulatorResult(code, output.read(_MOST_OUTPUT), seconds)


def _bounded() -> None:
    """In the child: it ends with its parent, and cannot fill the disk."""
    import ctypes

    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_OUTPUT, _MOST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
