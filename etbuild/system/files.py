"""Waiting for another process, not in silence. The kernel frees a lock when its holder dies."""

from __future__ import annotations

import fcntl
import sys
import threading
from typing import IO, Any

TELL_S = 5.0


def taken(file: IO[Any]) -> bool:
    """Whether an open file is locked for us now, until it is closed; False when somebody else has it.

    raises: OSError where files cannot be locked.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def hold(file: IO[Any], what: str) -> None:
    """Lock an open file until it is closed; after a while the user is told what is waited for.

    raises: OSError where files cannot be locked.
    """
    if not taken(file):
        told = threading.Timer(TELL_S, print, [f"{what}: waiting for another build that does it"], {"file": sys.stderr})
        told.daemon = True
        told.start()
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        finally:
            told.cancel()
