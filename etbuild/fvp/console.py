"""What the image prints: passed on line by line, and watched for what ends a run. It decodes nothing.

Several consoles may print to one place. Their order is not known, but no console prints within a line of another: a
search in the log finds the line.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from etbuild.errors import UsageError
from etbuild.fvp.parameters import UARTS

if TYPE_CHECKING:
    from etbuild.fvp.command_line import Order

_EOT = 4
_READ_BYTES = 1 << 16
# How long the rest of a line is waited for, as a prompt has none, and how much of a line is kept.
_PAUSE_S = 1.0
_LONGEST_BYTES = 1 << 16
SEMIHOSTING = "semihosting"


class Console:
    """One line of output.

    sink:  where it goes; None: nowhere.
    eot:   the character EOT ends the run. tag: a line with this text does; empty: none does.
    begun: of the last line what has been read and not been passed on.
    """

    def __init__(self, sink: BinaryIO | None, eot: bool = False, tag: bytes = b"") -> None:
        self._sink, self._eot, self._tag = sink, eot, tag
        self._line = b""
        self.begun = b""

    def feed(self, data: bytes) -> bool:
        """Pass whole lines on, and nothing behind what ends the run. return: the run ends."""
        end = self._end(data)
        printed = self.begun + data[:end]
        is_over = end is not None or len(printed) > _LONGEST_BYTES
        whole = len(printed) if is_over else printed.rfind(b"\n") + 1
        self.begun = printed[whole:]
        self._write(printed[:whole])
        return end is not None

    def pass_begun(self) -> None:
        """Pass on the line that has begun: its end may never come."""
        begun, self.begun = self.begun, b""
        self._write(begun)

    def _write(self, data: bytes) -> None:
        if self._sink is not None and data:
            # A reader that has gone is no reason to end the run.
            with suppress(OSError):
                self._sink.write(data)
                self._sink.flush()

    def _end(self, data: bytes) -> int | None:
        """How many bytes belong to the run; None when it goes on."""
        ends = [data.index(_EOT) + 1] if self._eot and _EOT in data else []
        if self._tag:
            before, self._line = len(self._line), self._line + data
            found = self._line.find(self._tag)
            if found >= 0:
                ends.append(max(found + len(self._tag) - before, 0))
            self._line = self._line[max(0, len(self._line) - len(self._tag)) :]
        return min(ends, default=None)


class _Reader:
    """A thread that reads a pipe into a console until its writers are gone."""

    def __init__(self, console: Console, ended: Callable[[], None]) -> None:
        """ended: called once, in the thread, when the console says that the run ends."""
        self._read_end, self.write_end = os.pipe()
        self._console, self._ended = console, ended
        self._wait = select.poll()
        self._wait.register(self._read_end, select.POLLIN)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all that was written has been passed on; its other writers have ended."""
        os.close(self.write_end)
        self._thread.join()
        os.close(self._read_end)

    def _run(self) -> None:
        over = False
        while data := self._read():
            # What comes behind the end is read and dropped, so that QEMU does not block before it is killed.
            if not over and self._console.feed(data):
                over = True
                self._ended()
        self._console.pass_begun()

    def _read(self) -> bytes:
        """The next bytes, empty when the writers are gone."""
        if self._console.begun and not self._wait.poll(_PAUSE_S * 1000):
            self._console.pass_begun()
        return os.read(self._read_end, _READ_BYTES)


class Consoles:
    """All output of one run. As a context it waits at its end for all that was written; QEMU has ended by then.

    ended: a console has ended the run. stop: called then, in another thread.
    """

    def __init__(self, order: Order) -> None:
        """raises: UsageError for a file that cannot be written."""
        self.ended = False
        self.stop: Callable[[], object] = lambda: None
        self._readers = {name: _Reader(console, self._end) for name, console in _consoles(order).items()}

    def __enter__(self) -> Consoles:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.finish()

    @property
    def pipes(self) -> dict[str, str]:
        """What QEMU opens to write to each console: files of this process, so that it need not inherit them."""
        return {name: f"/proc/{os.getpid()}/fd/{reader.write_end}" for name, reader in self._readers.items()}

    def _end(self) -> None:
        self.ended = True
        self.stop()


def _consoles(order: Order) -> dict[str, Console]:
    """The UARTs that go anywhere or end the run, and semihosting."""
    found = {SEMIHOSTING: Console(sys.stdout.buffer)}
    for i in range(UARTS):
        name = f"mps3_board.uart{i}"
        eot, tag = order.flag(f"{name}.shutdown_on_eot"), order.text(f"{name}.shutdown_tag").encode()
        # Without a file the FVP opens a window for the first UART; here its output is printed instead.
        window = i == 0 and order.flag("mps3_board.telnetterminal0.start_telnet")
        sink = _sink(order.program, f"{name}.out_file", order.text(f"{name}.out_file") or ("-" if window else ""))
        if sink is not None or eot or tag:
            found[f"uart{i}"] = Console(sink, eot, tag)
    return found


def _sink(program: str, key: str, path: str) -> BinaryIO | None:
    if path in ("", "-"):
        return sys.stdout.buffer if path else None
    try:
        return Path(path).open("wb")
    except OSError as error:
        raise UsageError(f"{program}: {key}: got {path}, wanted a file to write\n    {error.strerror}") from None
