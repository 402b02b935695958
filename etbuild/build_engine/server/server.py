"""The warm compile server: forks a child of its process for each step. It builds nothing itself.

A child is the step's process as any other: same main(argv), folder, environment, log, exit code. It imports our own
modules again when any of our files has changed, so the server never runs old code of a step.

In its first idle second the server forks a replacement, which warms up while the server goes on, then takes over the
listening socket. Nobody waits for it; if it dies, the server stays as it is.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import OwnFiles, die_with, outlive_parent
from etbuild.build_engine.server.children import Children, handle_events

IDLE_S = 600.0
# After so long without a step, the server has time for a warm-up.
QUIET_S = 1.0


@dataclass
class Replacement:
    """The server-to-be, which warms up. ready: a pipe that becomes readable when it listens, or has died."""

    pid: int
    ready: int


class Server:
    """One thread, one selector: the listening socket, the clients, the children's pidfds.

    warm_up: what the replacement does before it takes over; None for no replacement.
    """

    def __init__(self, listening: socket.socket, idle_s: float, warm_up: Callable[[], None] | None = None):
        self._listening = listening
        self._idle_s = idle_s
        self._warm_up = warm_up
        self._selector = selectors.DefaultSelector()
        self._own = OwnFiles.now()
        self._children = Children(self._selector, self._own, self._close_in_child)
        self._replacement: Replacement | None = None
        self._warmed_up = False
        self._served = 0
        self._begun = time.monotonic()
        self._stopping = False
        self.handed_over = False

    def serve(self) -> None:
        """Serve until stopped, idle for long enough, or replaced; steps that still run are left to their clients.

        `handed_over` is then true if the replacement listens.
        """
        self._children.last_step = time.monotonic()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            self._serve()
        finally:
            self._children.kill()
            if self._replacement and not self.handed_over:
                os.kill(self._replacement.pid, signal.SIGKILL)

    def _serve(self) -> None:
        while not self._stopping and (self._children.running or not self.handed_over):
            self._children.prepare()
            handle_events(self._selector, self._time_left_s())
            if self._time_left_s() == 0:
                if self._warm_up is None:
                    return
                self._fork_replacement(self._warm_up)

    def _time_left_s(self) -> float | None:
        """How much longer without a step until something is due; None while a step runs. Questions do not count."""
        if self._children.running:
            return None
        due_s = min(QUIET_S, self._idle_s) if self._warm_up else self._idle_s
        return max(0.0, self._children.last_step + due_s - time.monotonic())

    def _fork_replacement(self, warm_up: Callable[[], None]) -> None:
        """One attempt; returns in both processes."""
        self._warm_up = None
        server = os.getpid()
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError:  # No room for another process: there is no replacement.
            os.close(read)
            os.close(write)
            return
        if pid:
            os.close(write)
            self._replacement = Replacement(pid, read)
            self._selector.register(read, selectors.EVENT_READ, self._replacement_ready)
            return
        try:
            os.close(read)
            die_with(server)
            self._selector.close()
            self._children.close()
            warm_up()
            outlive_parent()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        self._selector = selectors.DefaultSelector()
        self._children = Children(self._selector, self._own, self._close_in_child)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._warmed_up = True
        os.write(write, b"1")
        os.close(write)

    def _replacement_ready(self, ready: int) -> None:
        """The replacement listens, or has died."""
        assert self._replacement is not None
        self.handed_over = os.read(ready, 1) == b"1"
        self._selector.unregister(ready)
        os.close(ready)
        if self.handed_over:
            self._selector.unregister(self._listening)
            self._children.dismiss()
        else:
            os.waitpid(self._replacement.pid, 0)
            self._replacement = None

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except BlockingIOError:
            return  # The replacement accepted it.
        client.settimeout(5)
        try:
            message, descriptors = protocol.receive(client)
        except (OSError, ValueError):
            client.close()
            return
        if message.get("ask") == "step" and len(descriptors) == 2:
            self._served += self._children.begin(client, message, descriptors)
        else:
            with suppress(OSError):
                protocol.send(client, self._status())
            self._stopping = message.get("ask") == "stop"
            client.close()
        for descriptor in descriptors:
            os.close(descriptor)

    def _status(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - self._begun, 1),
            "idle_s": self._idle_s,
            "running": self._children.running,
            "served": self._served,
            "warmed_up": self._warmed_up,
            "standby": self._children.standby,
        }

    def _close_in_child(self) -> None:
        """In a child: close everything that only the server uses."""
        self._listening.close()
        if self._replacement:
            os.close(self._replacement.ready)
        self._selector.close()


def run_server(preload: Callable[[], None], warm_up: Callable[[], None] | None) -> int:
    """The main function of a server's program: `--socket PATH [--idle-s S]` on the command line.

    preload: imports what all children share, before the first request is answered.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--idle-s", type=float, default=IDLE_S)
    options = parser.parse_args()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound under another name, then renamed: no client finds a socket that does not listen yet.
    part = options.socket.with_suffix(f".{os.getpid()}")
    listening.bind(str(part))
    listening.listen(64)
    listening.setblocking(False)
    part.chmod(0o600 & ~protocol.SERVES)
    part.replace(options.socket)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    inode = options.socket.stat().st_ino
    server = Server(listening, options.idle_s, warm_up)
    try:
        preload()
        with suppress(OSError):  # Somebody has removed it.
            options.socket.chmod(0o600)
        server.serve()
    finally:
        with suppress(OSError):
            if not server.handed_over and options.socket.stat().st_ino == inode:
                options.socket.unlink()
    return 0
