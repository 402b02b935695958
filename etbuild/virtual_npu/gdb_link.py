"""Packets of the remote serial protocol, in both directions, and the stops of a processor behind it.

What the stub asks for semihosting is answered with "not permitted".
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.virtual_npu.packets import Stream

# Packets on their way: all of them, and their answers, fit into the buffers of a socket.
_AT_ONCE = 16
_REFUSED = b"F-1,1"
_EXIT = ("W", "X")
_PACKET = re.compile(rb"([^$]*)\$([^#]*)#(..)", re.DOTALL)


class Stop(NamedTuple):
    """Why the processor stopped.

    signal:  the number of the signal. watched: the address of the watchpoint, None if it was none.
    exited:  the program has ended, with `signal` as its exit code.
    """

    signal: int
    watched: int | None = None
    exited: bool = False


class GdbLink:
    """A connection to a stub; the processor is stopped between calls, except between `resume` and `wait`.

    Several packets are sent at once, and their answers taken together: each exchange costs a switch of processes.

    raises: StepError for answers that are none; its children ConnectionEndedError, AnswerTimeoutError.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._acknowledge = 0  # answers that were not yet acknowledged: it goes with the next packet
        self.queue: list[bytes] = []  # changes of registers that go with the next packet
        self._owed = 0  # OKs of changes that were sent, before the answer that is waited for

    @property
    def name(self) -> str:
        """Of the stub, for messages."""
        return self._stream.name

    def fileno(self) -> int:
        """For `select`, while the processor runs."""
        return self._stream.fileno()

    @property
    def buffered(self) -> bool:
        """Whether an answer has begun to arrive."""
        return self._stream.holds(b"$")

    def ask(self, *packets: bytes) -> list[str]:
        """The answer to each packet."""
        answers: list[str] = []
        for at in range(0, len(packets), _AT_ONCE):
            some = packets[at : at + _AT_ONCE]
            self.send(*some)
            answers += (_expanded(self.receive(self._soon())).decode("latin-1") for _ in some)
        return answers

    def relay(self, packet: bytes) -> bytes:
        """The answer to a packet, with its runs and escapes."""
        self.send(packet)
        return self.receive(self._soon())

    def send(self, *packets: bytes) -> None:
        """Packets, behind the changes of registers that wait; without waiting for answers."""
        every = [*self.queue, *packets]
        self._stream.send(b"+" * self._acknowledge + b"".join(b"$%s#%02x" % (one, sum(one) & 0xFF) for one in every))
        self._acknowledge, self._owed = 0, self._owed + len(self.queue)
        self.queue = []

    def receive(self, deadline: float) -> bytes:
        """The next answer to a packet, or the stop of the processor; with its runs and escapes."""
        while self._owed:
            answer = self._packet(deadline)
            self._owed -= 1
            self.expect_ok(answer.decode("latin-1"), "a register")
        return self._packet(deadline)

    def interrupt(self) -> None:
        """Stop the processor that runs; `wait` has the stop."""
        self._stream.send(b"\x03")

    def resume(self, *, step: bool = False) -> None:
        """Let the processor run, or take one step."""
        self.send(b"s" if step else b"c")

    def wait(self, deadline: float) -> Stop:
        """The stop of the processor that runs."""
        while (stop := self.stop_of(self.receive(deadline))) is None:
            pass
        return stop

    def stop_of(self, packet: bytes) -> Stop | None:
        """What a packet of a running processor says; None for what is no stop, after it has been answered."""
        text = _expanded(packet).decode("latin-1")
        if text.startswith("F"):
            self.send(_REFUSED)
        elif text.startswith(_EXIT):
            return Stop(self._number(text[1:3], text), exited=True)
        elif text[:1] in ("T", "S"):
            watched = re.search(r"[ar]?watch:([0-9a-fA-F]+);", text)
            return Stop(self._number(text[1:3], text), int(watched[1], 16) if watched else None)
        elif not text.startswith("O"):
            raise self.nonsense(packet, "a stop")
        return None

    def _soon(self) -> float:
        return time.monotonic() + self._stream.limit_s

    def _packet(self, deadline: float) -> bytes:
        found = self._stream.matching(_PACKET, deadline)
        before, framed, digits = found.groups()
        if before.strip(b"+"):
            raise self.nonsense(before, "a packet")
        if digits.lower() != b"%02x" % (sum(framed) & 0xFF):
            raise self.nonsense(b"$" + framed[:40] + b"#" + digits, "a packet with the right sum")
        self._acknowledge += 1
        return bytes(framed)

    def expect_ok(self, answer: str, what: str) -> None:
        """raises: StepError for another answer than OK. what: was asked for."""
        if answer != "OK":
            raise self.nonsense(answer.encode("latin-1"), f"OK for {what}")

    def _number(self, digits: str, packet: str) -> int:
        try:
            return int(digits, 16)
        except ValueError as error:
            raise self.nonsense(packet.encode("latin-1"), "a stop with a number") from error

    def nonsense(self, got: bytes, wanted: str) -> StepError:
        """The error for what a stub may not answer."""
        return StepError(f"{self._stream.name}: got {got[:80].decode('latin-1')!r}, wanted {wanted}")


def _expanded(packet: bytes) -> bytes:
    """Escapes and runs of a packet as plain bytes."""
    out, i = bytearray(), 0
    while i < len(packet):
        one = packet[i : i + 1]
        if one == b"}" and i + 1 < len(packet):
            out.append(packet[i + 1] ^ 0x20)
            i += 2
        elif one == b"*" and i + 1 < len(packet) and out:
            out += out[-1:] * (packet[i + 1] - 29)
            i += 2
        else:
            out += one
            i += 1
    return bytes(out)
