"""Runs one command stream of an NPU on the host, on memory that its owner brings as the stream touches it.

It knows no program and no .pte: a stream, the addresses of its regions, and a window in which all of them lie.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etbuild.errors import StepError
from etbuild.host import abi
from etbuild.host.program import loaded_library

SPACE = 1 << 32
"""Bytes of a window: what a 32-bit processor addresses."""

Touch = Callable[[int, int, bool], bool]


@dataclass(frozen=True)
class StreamOutcome:
    """How a stream ended; see etb_outcome in runtime/port/host/host.h.

    kind: STOPPED, RAN_OUT, BUS_FAULT, ... of etbuild.host.abi. channel, region, address: of an access that failed.
    """

    kind: int
    channel: int
    region: int
    address: int
    read: int
    macs: int
    bytes_read: tuple[int, ...]
    bytes_written: tuple[int, ...]
    irq_mask: int
    text: str


class Window:
    """Addresses 0 to SPACE as the NPU sees them. Nothing is behind them until `map` puts a part of a file there.

    raises: StepError if the host refuses.
    """

    def __init__(self) -> None:
        self._library = loaded_library(False)
        self._base = self._library.etb_window_open(SPACE)
        if not self._base:
            raise StepError(f"NPU: the host refuses {SPACE:,} bytes of addresses")

    def map(self, address: int, size: int, file: int, offset: int) -> None:
        """The bytes of an open file, shared with whoever else maps it. All but file: in whole pages of memory."""
        if self._library.etb_window_map(self._base, address, size, file, offset):
            raise StepError(f"NPU: the host refuses to map {size:,} bytes at {address:#x}")

    def close(self) -> None:
        """Give the addresses back."""
        if self._base:
            self._library.etb_window_close(self._base, SPACE)
        self._base = None

    def run(self, config: int, stream: tuple[int, int], bases: Sequence[int], touch: Touch) -> StreamOutcome:
        """Run a stream.

        config: CONFIG of the NPU. stream: its address and its size in bytes. bases: the address of each region.
        touch:  called with address, size, and whether it writes, before each access; False where no memory answers.
                What it raises ends the stream, and is raised here.
        """
        raised: list[BaseException] = []

        def answer(address: int, size: int, writes: int) -> int:
            try:
                return abi.READY if touch(address, size, bool(writes)) else abi.NO_MEMORY
            except BaseException as error:  # also Ctrl-C: C++ is between here and who catches it
                raised.append(error)
                return -1

        job = abi.Job(self._base, *stream, (ctypes.c_uint64 * 8)(*bases), config)
        outcome = abi.Outcome()
        self._library.etb_run_stream(ctypes.byref(job), abi.Touch(answer), ctypes.byref(outcome))
        if raised:
            raise raised[0]
        text = (outcome.text or b"").decode(errors="replace")
        if outcome.kind == abi.REFUSED:
            raise StepError(f"NPU: the command stream is not run: {text} ({outcome.number})")
        return StreamOutcome(
            outcome.kind,
            outcome.channel,
            outcome.region,
            outcome.address,
            outcome.read,
            outcome.macs,
            tuple(outcome.bytes_read),
            tuple(outcome.bytes_written),
            outcome.irq_mask,
            text,
        )
