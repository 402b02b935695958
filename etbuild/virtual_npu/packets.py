"""Bytes to and from a program over a socket, each wait with a limit. It knows no protocol."""

from __future__ import annotations

import re
import select
import socket
import time

from etbuild.errors import StepError

_MOST_BYTES = 1 << 18


class ConnectionEndedError(StepError):
    """The other side closed the connection: the program has ended."""


class AnswerTimeoutError(StepError):
    """The other side did not answer in time."""


class Stream:
    """A connected socket with a buffer.

    name:    of the other side, for messages.
    limit_s: of one answer, in seconds.
    """

    def __init__(self, connection: socket.socket, name: str, limit_s: float) -> None:
        self.name, self.limit_s = name, limit_s
        self._connection = connection
        self._connection.setblocking(False)
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For `select`."""
        return self._connection.fileno()

    def holds(self, part: bytes) -> bool:
        """Whether these bytes have arrived and were not taken."""
        return part in self._buffer

    def send(self, data: bytes) -> None:
        """raises: ConnectionEndedError, AnswerTimeoutError."""
        rest, end = memoryview(data), time.monotonic() + self.limit_s
        while rest:
            self._wait(end, writes=True)
            try:
                rest = rest[self._connection.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise ConnectionEndedError(f"{self.name}: got {error.strerror}, wanted a connection") from error

    def until(self, end: bytes, deadline: float) -> bytes:
        """The bytes up to and with `end`. deadline: of the monotonic clock.

        raises: ConnectionEndedError; AnswerTimeoutError; StepError for more than a program has a reason to send.
        """
        searched = 0
        while (found := self._buffer.find(end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end) + 1)
            self._receive(deadline)
        return self._take(found + len(end))

    def matching(self, pattern: re.Pattern[bytes], deadline: float) -> re.Match[bytes]:
        """As `until`: what has arrived, as soon as it begins with a match. Without a match nothing is taken."""
        while not (found := pattern.match(bytes(self._buffer))):
            self._receive(deadline)
        self._take(found.end())
        return found

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _receive(self, deadline: float) -> None:
        if len(self._buffer) > _MOST_BYTES:
            raise StepError(f"{self.name}: got {len(self._buffer)} bytes without an end, wanted an answer")
        self._wait(deadline, writes=False)
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionEndedError(f"{self.name}: got {error.strerror}, wanted an answer") from error
        if not data:
            raise ConnectionEndedError(f"{self.name}: got the end of the connection, wanted an answer")
        self._buffer += data

    def _wait(self, deadline: float, *, writes: bool) -> None:
        left = deadline - time.monotonic()
        sockets = [self._connection]
        ready = select.select([] if writes else sockets, sockets if writes else [], [], max(0.0, left))
        if not any(ready):
            raise AnswerTimeoutError(f"{self.name}: got no answer within the time, wanted one")
