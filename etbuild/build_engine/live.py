"""Follows the log of a step while the step writes it, and shows its lines. It starts no step and writes no log."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.1


@contextmanager
def shown(log: Path, name: str, show: Callable[[str], None] | None) -> Iterator[None]:
    """Inside this context each line that is appended to the log is shown, after the name of the step.

    show: gets one line, without its end; None: nothing is shown.
    """
    if show is None:
        yield
        return
    lines = _Lines(lambda text: show(f"{name} | {text}"))
    try:
        with followed(log, lines.take):
            yield
    finally:
        lines.end()


@contextmanager
def followed(log: Path, take: Callable[[int, bytes], None]) -> Iterator[None]:
    """Inside this context `take` gets what is appended to a file: where in it, and the bytes.

    What is there when the context ends has been taken then. A file that becomes shorter is read from its start.
    """
    over = threading.Event()

    def follow() -> None:
        at = 0
        with log.open("rb", buffering=0) as file:
            while True:
                # Before the read: what is written until the context ends is read.
                is_last = over.is_set()
                if os.fstat(file.fileno()).st_size < at:
                    at = file.seek(0)
                data = file.readall()
                if data:
                    take(at, data)
                    at += len(data)
                if is_last:
                    return
                over.wait(POLL_S)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Lines:
    """Makes lines from parts of a text. show: gets each complete line."""

    def __init__(self, show: Callable[[str], None]):
        self._show = show
        self._rest = b""

    def take(self, _: int, data: bytes) -> None:
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            self._show(line.decode(errors="replace"))

    def end(self) -> None:
        """Show what has no line end."""
        if self._rest:
            self._show(self._rest.decode(errors="replace"))
