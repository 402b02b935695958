"""How many processors there are for this process."""

from __future__ import annotations

import os


def processors() -> int:
    """How many this process may use, by its affinity."""
    return len(os.sched_getaffinity(0))
