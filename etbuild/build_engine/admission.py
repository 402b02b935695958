"""Admission control: delays a step until its expected peak memory fits. It kills nothing and measures no step.

A step is expected to need what its last run had at its peak; for a first run, what its kind says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from etbuild.system.memory import available_bytes

# Other programs free memory without a notification.
POLL_S = 1.0


class Admission:
    """The steps of this process. available: bytes that may still be taken, now."""

    def __init__(self, available: Callable[[], int] = available_bytes):
        self._available = available
        self._admitted: list[int] = []
        self._total = 0
        self._changed = threading.Condition()

    @contextmanager
    def admitted(self, expected_bytes: int) -> Iterator[None]:
        """Wait until the step fits, or no other runs; its memory counts as taken during the block."""
        with self._changed:
            while not self._fits(expected_bytes):
                self._changed.wait(POLL_S)
            self._admitted.append(expected_bytes)
        try:
            yield
        finally:
            with self._changed:
                self._admitted.remove(expected_bytes)
                self._changed.notify_all()

    def _fits(self, expected_bytes: int) -> bool:
        """Running steps may not have reached their peaks, so the sum must also fit what was available before them."""
        now = self._available()
        if not self._admitted:
            self._total = now
            return True
        return expected_bytes <= now and sum(self._admitted) + expected_bytes <= self._total
