"""A firmware in an unmodified QEMU with an NPU beside it: the loop that runs the processor and serves its stops.

When a job runs, its end is brought about by what the firmware waits with: after some reads of STATUS, at an instruction
that waits (WFI, WFE), or when the firmware has done nothing with the NPU for a while. None of this depends on the
machine's speed but the last, which a firmware that waits by neither needs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from etbuild.errors import StepError
from etbuild.virtual_npu.board_devices import is_served, npu_device, npu_pages, uarts
from etbuild.virtual_npu.gdb_client import BREAK_HARDWARE, GdbClient
from etbuild.virtual_npu.machines import machine_of
from etbuild.virtual_npu.memory import GuestMemory
from etbuild.virtual_npu.packets import AnswerTimeoutError, ConnectionEndedError
from etbuild.virtual_npu.qemu import ANSWER_S, Qemu
from etbuild.virtual_npu.trap import Trap
from etbuild.virtual_npu.uarts import Transmitter
from etbuild.virtual_npu.waits import wait_instructions

if TYPE_CHECKING:
    from etbuild.hardware.board import Board
    from etbuild.virtual_npu.device import Device
    from etbuild.virtual_npu.gdb_link import Stop

# How long a firmware may do nothing with the NPU while a job runs.
IDLE_S = 0.5
_ENDING_S = 5.0
_LEAST_ANSWER_S = 10.0
INTERRUPTED = 2


@dataclass(frozen=True)
class Guest:
    """What runs. arguments: QEMU's program and its arguments. npu: ethos-u55-128..., "" for a board's UART alone.

    prepare: called in QEMU's process before it starts.
    """

    arguments: Sequence[str]
    board: Board
    npu: str
    elf: Path
    prepare: Callable[[], None] | None = None


@dataclass(frozen=True)
class Ending:
    """How a run ended. code: QEMU's exit code, None if it was stopped after the time limit. problem: "" if there is
    none: what ended the run that is no result of the firmware. faults: what the NPU reported, for people."""

    code: int | None
    problem: str = ""
    jobs: int = 0
    accesses: int = 0
    faults: tuple[str, ...] = ()


class Machine:
    """A QEMU with the devices of a board; as a context it ends QEMU and gives all memory back."""

    def __init__(self, guest: Guest, output: IO[Any], answer_s: float = ANSWER_S) -> None:
        self.faults: list[str] = []
        self.device: Device | None = None
        machine = machine_of(guest.board)
        served = is_served(guest.board, machine)
        self.qemu = Qemu(guest.arguments, machine, output, guest.prepare, answer_s, serial=served)
        self.memory: GuestMemory | None = None
        self.transmitter = Transmitter(lambda data: _put(output, data), self.qemu.received)
        try:
            pages = uarts(guest.board, machine, self.transmitter)
            if guest.npu:
                ranges = tuple(machine.ranges(guest.board))
                self.memory = GuestMemory(ranges, self.qemu.shared, self.qemu.processor, machine.alias)
                self.device = npu_device(guest.board, guest.npu, self.memory, self.faults.append)
                number = guest.board.npu.interrupt - machine.first
                self.device.irq = lambda level: self.qemu.qtest.set_irq(
                    machine.controller, machine.interrupts, number, level
                )
                pages += npu_pages(guest.board, self.device, machine)
            self.trap = Trap(self.qemu.processor, pages)
            self.trap.insert()
            self.waits = wait_instructions(guest.elf)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End QEMU."""
        self.transmitter.flush()
        self.qemu.close()
        if self.memory is not None:
            self.memory.close()


class Runner:
    """Lets the processor of a machine run, and serves what stops it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._processor: GdbClient = machine.qemu.processor
        self._armed = False
        self._nudged = False

    def run(self, deadline: float) -> Ending:
        """Until the program ends, or the deadline."""
        problem, code = "", None
        if self._machine.memory:
            self._machine.memory.deadline = deadline
        try:
            stop = self._next(deadline)
            while not stop.exited:
                self.serve(stop)
                stop = self._next(deadline)
            code = self._machine.qemu.ended(_ENDING_S)
            code = stop.signal if code is None else code
        except ConnectionEndedError:
            code = self._machine.qemu.ended(_ENDING_S)
            problem = f"QEMU ended by itself, with {_how(code)}, before the firmware did"
        except AnswerTimeoutError as error:
            problem = "" if time.monotonic() >= deadline else str(error)
        except StepError as error:
            problem = str(error)
        machine = self._machine
        jobs = machine.device.jobs if machine.device else 0
        return Ending(code, problem, jobs, machine.trap.accesses, tuple(machine.faults))

    def owns(self, stop: Stop) -> bool:
        """Whether a stop is for the devices, and not for a debugger."""
        if stop.watched is not None:
            return self._machine.trap.watches(stop.watched)
        if self._nudged and stop.signal == INTERRUPTED:
            return True
        return self._armed and self._processor.register("pc") in self._machine.waits

    def nudge(self) -> None:
        """The processor is about to be stopped because nothing happens while a job runs."""
        self._nudged = True

    def serve(self, stop: Stop) -> None:
        """What stopped the processor. raises: StepError for a stop of its own."""
        device, self._nudged = self._machine.device, False
        if stop.watched is None and stop.signal == INTERRUPTED:
            self._machine.trap.settle()
        if stop.watched is not None and self._machine.trap.watches(stop.watched):
            self._machine.trap.serve()
        elif device and device.running:
            device.complete()
        elif stop.signal != INTERRUPTED and not self._armed:
            raise StepError(f"the processor stopped by itself, with signal {stop.signal}")
        self._arm(bool(device and device.running))

    def _next(self, deadline: float) -> Stop:
        """The next stop. raises: AnswerTimeoutError after the deadline."""
        self._processor.resume()
        device = self._machine.device
        if not (device and device.running):
            return self._processor.wait(deadline)
        try:
            return self._processor.wait(min(deadline, time.monotonic() + IDLE_S))
        except AnswerTimeoutError:
            if time.monotonic() >= deadline:
                raise
        self._processor.interrupt()
        return self._processor.wait(deadline)

    def _arm(self, wanted: bool) -> None:
        """Breakpoints at the instructions that wait, while a job runs: the code round them is slow with them."""
        if wanted == self._armed:
            return
        change = self._processor.insert if wanted else self._processor.remove
        change(BREAK_HARDWARE, 2, *self._machine.waits)
        self._armed = wanted


def run(guest: Guest, output: IO[Any], limit_s: float) -> Ending:
    """Run a firmware to its end, at most for this time, in seconds. output: gets what it prints.

    raises: UsageError for a board whose machine is not known; MissingTool without what the host library needs;
            StepError when QEMU does not start.
    """
    # A QEMU that answers nothing is given up not much later than a firmware that never ends.
    with Machine(guest, output, min(ANSWER_S, max(limit_s, _LEAST_ANSWER_S))) as machine:
        return Runner(machine).run(time.monotonic() + limit_s)


def _put(output: IO[Any], data: bytes) -> None:
    os.write(output.fileno(), data)


def _how(code: int | None) -> str:
    if code is None:
        return "no exit code"
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
