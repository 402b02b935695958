"""Whether a server that answers nobody yet still makes progress with its imports, from what /proc says of its process.

A slow machine is no reason to give it up: it waits for a processor or a disk, or has used one.
"""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

# After so long without progress it is given up: stopped by a signal or a debugger; asleep.
STOPPED_S = 2.0
ASLEEP_S = 10.0
# States of proc(5): running or waiting for a processor, waiting for a disk.
_AT_WORK = ("R", "D")
_STOPPED = ("T", "t")


class Progress:
    """pid: of the server's process; 0 if it is not known: then nothing is said against it."""

    def __init__(self, pid: int):
        self._pid = pid
        self._last = ("", "")
        self._since = 0.0
        self.stalled()

    @classmethod
    def of_peer(cls, connection: socket.socket) -> Progress:
        """Of the process that listens at the other end of a connection."""
        size = struct.calcsize("3i")
        pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return cls(pid)

    def stalled(self) -> bool:
        """Whether nothing has happened for too long; it has to be asked now and then."""
        now, found = time.monotonic(), _state(self._pid)
        if found is None or found[0] in _AT_WORK or found != self._last:
            self._last, self._since = found or ("", ""), now
        return now - self._since > (STOPPED_S if self._last[0] in _STOPPED else ASLEEP_S)


def _state(pid: int) -> tuple[str, str] | None:
    """State, and the processor time that was used; None when there is no such process that we may see."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], f"{fields[11]} {fields[12]}"
