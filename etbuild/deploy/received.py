"""Bytes that one thread receives and another one takes. It reads nothing itself."""

from __future__ import annotations

import threading

from etbuild.errors import StepError

# No firmware has a reason to print more before anyone looks.
MOST_BYTES = 1 << 28


class Received:
    """A buffer between two threads."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._problem = ""
        self._changed = threading.Condition()

    def add(self, data: bytes) -> None:
        """Append; what is beyond MOST_BYTES is dropped."""
        if data:
            with self._changed:
                self._data += data[: MOST_BYTES - len(self._data)]
                self._changed.notify_all()

    def end(self, problem: str) -> None:
        """Nothing will come any more. problem: the text of the error that a reader gets after the last byte."""
        with self._changed:
            self._problem = self._problem or problem
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop what has come."""
        with self._changed:
            self._data.clear()

    def take(self, wait_s: float) -> bytes:
        """What has come; b"" when nothing came within `wait_s`.

        raises: StepError when nothing can come any more.
        """
        with self._changed:
            self._changed.wait_for(lambda: bool(self._data or self._problem), wait_s)
            data = bytes(self._data)
            self._data.clear()
            if not data and self._problem:
                raise StepError(self._problem)
            return data
