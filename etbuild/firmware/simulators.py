"""Runs a firmware in a simulator, QEMU or an FVP, with a time limit. It does not check the results.

A firmware that drives an NPU, or a UART that QEMU lacks, runs in QEMU with that device beside it (virtual_npu).
"""

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
from etbuild.system.parent import ends_with_parent
from etbuild.virtual_npu.board_devices import needs_trap

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

_MAX_OUTPUT_BYTES = 1 << 28


@dataclass(frozen=True)
class Request:
    """What to run, and where.

    on:        host, qemu, fvp or auto.
    driver:    of the firmware: ethosu or emulator.
    npu:       ethos-u55-128..., "" for none.
    limit_s:   for all vectors together, in seconds.
    fvp:       the FVP's program; None to search for it.
    timing:    use an FVP's timing adapters.
    tolerance: see `verify.compare.difference`.
    """

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
        """The name of the FVP for this NPU; "" when the board has none."""
        programs = self.board.fvp.programs if self.board.fvp else {}
        family = self.npu.split("-")[1] if self.npu else ""
        return programs.get(family) or (next(iter(programs.values()), "") if not self.npu else "")


@dataclass(frozen=True)
class SimulatorResult:
    """How a simulator's process ended.

    code:    its exit code; None when it was killed after the time limit.
    output:  all that it printed, at most _MAX_OUTPUT_BYTES.
    problem: what ended the run and is no result of the firmware; "" if there is nothing.
    faults:  what the NPU beside QEMU reported, for people.
    """

    code: int | None
    output: bytes
    seconds: float
    problem: str = ""
    faults: tuple[str, ...] = ()


def resolve(request: Request) -> str:
    """Where a request runs: host, qemu or fvp.

    auto is an FVP if one is installed, else QEMU if it has the board, else the host.
    """
    if request.on != "auto":
        return request.on
    if request.fvp_name and (request.fvp or tools.find(request.fvp_name)):
        return "fvp"
    return "qemu" if request.board.qemu else "host"


def command(request: Request, on: str) -> list[str]:
    """The simulator's command line. on: qemu or fvp.

    raises: MissingTool when the simulator is not installed.
    """
    if on == "qemu":
        return [str(tools.program("qemu-system-arm")), *qemu_arguments(request.board, request.elf)]
    program = request.fvp or tools.program(request.fvp_name)
    if request.fvp and not os.access(request.fvp, os.X_OK):
        raise MissingTool(f"run.fvp: got {request.fvp}, wanted the program of an FVP\n    {tools.FVP_REMEDY}")
    macs = int(request.npu.rsplit("-", 1)[1]) if request.npu else 128
    return [str(program), *fvp_arguments(request.board, macs, request.elf, request.timing, request.limit_s)]


def simulate(request: Request, on: str) -> SimulatorResult:
    """Run the request's firmware. on: qemu or fvp.

    raises: MissingTool when something is not installed; UsageError for a machine of QEMU without a place for the NPU;
            StepError when QEMU does not start.
    """
    driven = request.npu if request.driver == "ethosu" else ""
    if on == "qemu" and needs_trap(request.board, driven):
        return _run_beside(request, driven)
    return run(command(request, on), request.limit_s)


def _run_beside(request: Request, npu: str) -> SimulatorResult:
    """In QEMU, with the NPU and the UART that its machine lacks. npu: "" for the UART alone."""
    from etbuild.virtual_npu import session

    guest = session.Guest(command(request, "qemu"), request.board, npu, request.elf, _limit_process)
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        ending = session.run(guest, output, request.limit_s)
        seconds = time.perf_counter() - begin
        output.seek(0)
        return SimulatorResult(ending.code, output.read(_MAX_OUTPUT_BYTES), seconds, ending.problem, ending.faults)


def run(arguments: list[str], limit_s: float) -> SimulatorResult:
    """Run a command until it ends, or kill it with its children after the limit. It does not outlive this process."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=ends_with_parent(_limit_process),
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
        return SimulatorResult(code, output.read(_MAX_OUTPUT_BYTES), seconds)


def _limit_process() -> None:
    """In the child process: limit its output files."""
    # A limit that a program may raise: the stand-in for an FVP does, for the memory that it shares with QEMU.
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_OUTPUT_BYTES, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
