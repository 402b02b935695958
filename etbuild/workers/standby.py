"""The process that will be the server's next step, forked ahead of it. It runs nothing until it is told what to be."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from etbuild.memory import available_bytes
from etbuild.workers import wire
from etbuild.workers.child import OwnFiles, be_step, own_memory, stand_apart

# It has a fifth of a GB to itself: a luxury that waits for nobody's memory.
SPARE_BYTES = 4 << 30


class Standby:
    """The server's end. orders: readable when the process is ready, and when it has died.

    pid: of the process, which is the leader of its group once ready.
    """

    def __init__(self, pid: int, orders: socket.socket):
        self.pid = pid
        self.orders = orders
        self.ready = False

    def heard(self) -> bool:
        """Take what the process has to say; False when it has died."""
        with suppress(OSError):
            self.ready = self.orders.recv(1) == b"1"
            return self.ready
        return False

    def order(self, message: dict[str, object], descriptors: list[int]) -> bool:
        """Whether it is the step's process from now on."""
        with suppress(OSError):
            wire.send(self.orders, message, descriptors)
            return True
        return False


def has_room(running: int) -> bool:
    """Whether a processor is idle and memory to spare, with so many steps running."""
    return running < len(os.sched_getaffinity(0)) and available_bytes() > SPARE_BYTES


def stand_by(orders: socket.socket, server: int, own: OwnFiles) -> int:
    """In the forked process: wait for the step, and be it. Its exit code; 0 when there was none.

    server: the process that has forked this one.
    """
    stand_apart(server)
    own_memory()
    try:
        orders.send(b"1")
        message, (log, _alive) = wire.receive(orders)
    except (OSError, ValueError):  # The server let it go.
        return 0
    orders.close()
    return be_step(message, log, own)
