"""The stand-in's main program: `python -m etbuild.fvp.program FVP_Corstone_SSE-300_Ethos-U55 ARGUMENTS`.

Exit codes: that of the image where it ends itself by semihosting; 0 when its UART or a time limit ends it, as the FVP
has it; 1 when it locks up or the NPU is used in a way that is not known; 2 for a command line that is refused.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from etbuild import __version__
from etbuild.errors import StepError, UsageError, exit_code_of
from etbuild.fvp import machine
from etbuild.fvp.command_line import HELP, Order, check_program, read
from etbuild.fvp.console import Consoles
from etbuild.fvp.parameters import PROGRAMS, listing
from etbuild.system import tools

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.virtual_npu.session import Ending

# The FVP that the parameters are taken from; build systems compare it with the oldest that they accept.
FVP_VERSION = "11.27.42"
_BOARD = "corstone-300"
_NO_LIMIT_S = 10.0 * 365 * 24 * 3600
_MOST_BYTES = 1 << 20
_LIMITS = {"timelimit": "CPU time has been exceeded.", "simlimit": "Simulated time has been exceeded."}
_STOPPED = "Info: /OSCI/SystemC: Simulation stopped by user."
_LOCKUP = "Lockup"
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """argv: the FVP's name and its arguments; None for those of this process."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return exit_code_of(lambda words: run(words[0] if words else "", words[1:]), words)
    except KeyboardInterrupt:
        return _INTERRUPTED


def run(program: str, arguments: Sequence[str]) -> int:
    """Do what a command line of an FVP says. return: the exit code.

    raises: UsageError; MissingTool without QEMU.
    """
    check_program(program)
    order = read(program, arguments)
    if order.asks:
        _print(_answer(order))
        return 0
    machine.check_images(order)
    return _simulate(order)


def _answer(order: Order) -> str:
    if order.asks == "help":
        return HELP.format(program=order.program).rstrip()
    if order.asks == "list-params":
        return listing(PROGRAMS[order.program])
    return f"\n    Fast Models [{FVP_VERSION}]: etbuild {__version__} stands in for them, with QEMU\n\n{_STOPPED}"


def _simulate(order: Order) -> int:
    from etbuild.virtual_npu.session import Guest, Machine, Runner

    npu = f"{PROGRAMS[order.program].npu}-{order.macs}"
    _print(f"    etbuild fvp: QEMU with an {npu} beside it stands in for {order.program}; cycles are no measure\n")
    qemu = tools.program("qemu-system-arm")
    with tempfile.TemporaryFile() as said:
        with Consoles(order) as consoles:
            words = [str(qemu), *machine.arguments(order, consoles.pipes)]
            guest = Guest(words, _board(), npu, order.images[0], _prepare(order))
            with _limit_raised(), Machine(guest, said) as beside:
                assert beside.qemu.process is not None
                consoles.stop = beside.qemu.process.kill
                begin = time.monotonic()
                ending = Runner(beside).run(begin + (order.limit_s or _NO_LIMIT_S))
        code = _verdict(order, ending, consoles.ended, _said(said))
    if order.stat:
        _print(f"\n--- {order.program} statistics: ---\n{_statistics(ending, time.monotonic() - begin)}\n")
    _print(f"\n{_STOPPED}")
    return code


@contextmanager
def _limit_raised() -> Iterator[None]:
    """The memory that QEMU shares is a file, which may be larger than the files that this process may write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _prepare(order: Order) -> Callable[[], None]:
    """What QEMU's process does before it starts: go to the image's folder."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = order.text("cpu0.semihosting-cwd")
    if folder and not Path(folder).is_dir():
        raise UsageError(f"{order.program}: cpu0.semihosting-cwd: got {folder}, wanted a folder that exists")

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        if folder:
            os.chdir(folder)

    return prepare


def _verdict(order: Order, ending: Ending, by_console: bool, said: str) -> int:
    """Print why the run ended, where the image has not, and choose the exit code."""
    for fault in ending.faults:
        _print(f"\nWarning: {fault}")
    if by_console:
        return 0
    if _LOCKUP in said:
        _print("\nHard fault: the processor is locked up; QEMU says:\n" + _indented(said))
        return 1
    # QEMU closes its connections before it ends with the image's code.
    ended_itself = ending.code is not None and ending.code >= 0
    if ending.problem and not ended_itself:
        raise StepError(f"{order.program}: {ending.problem}" + (f"\n{_indented(said)}" if said else ""))
    if ending.code is None:
        _print(f"\nInfo: Simulation is stopping. Reason: {_LIMITS[order.limited_by]}")
        return 0
    return ending.code


def _board() -> Board:
    """Corstone-300, its NPU with all memory that it reaches in QEMU's machine."""
    from etbuild.config.setting import Bytes
    from etbuild.hardware.board import Region
    from etbuild.hardware.boards import board_file, load_board

    file = board_file(_BOARD)
    assert file is not None
    regions = tuple(
        Region(f"{one.name.lower()}_{address:x}", address, Bytes(one.size))
        for one in machine.MEMORIES
        if one.npu
        for address in ([one.address] if one.secure is None else [one.secure])
    )
    return replace(load_board(file), memory=regions)


def _said(file: IO[Any]) -> str:
    """What QEMU itself printed, without what it says of every run."""
    file.seek(0)
    lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if "icount sleep disabled" not in line)


def _statistics(ending: Ending, seconds: float) -> str:
    return (
        f"Host time: {seconds:.2f} s\nJobs of the NPU: {ending.jobs}\nAccesses to its registers: {ending.accesses}\n"
        "Instructions: not counted"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _print(text: str) -> None:
    """A reader that has gone (head, less) changes nothing."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
