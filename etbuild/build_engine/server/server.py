"""The warm compile server: imports the compilers once and forks a child for each step. It builds nothing itself.

A child is the step's process as any other: same main(argv), folder, environment, log, exit code. It imports our own
modules anew when any of our files has changed, so the server never runs old code of a step.

In its first quiet moment the server forks its successor, which rehearses (see rehearsal.py) while the server goes on,
then takes over the listening socket. Nobody waits for it; if it dies, the server stays what it is.
"""

from __future__ import annotations

import argparse
import gc
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

from etbuild import PACKAGE
from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import OwnFiles, die_with, outlive
from etbuild.build_engine.server.children import Children, handle_events

IDLE_S = 600.0
# Without a step for so long, the server has time for a rehearsal.
QUIET_S = 1.0


@dataclass
class Successor:
    """The server to be, which rehearses. ready: a pipe that says so, or ends."""

    pid: int
    ready: int


class Server:
    """One thread, one selector: the listening socket, the clients, the children's pidfds.

    rehearse: what the successor does before it takes over; None for no successor.
    """

    def __init__(self, listening: socket.socket, idle_s: float, rehearse: Callable[[], None] | None = None):
        self._listening = listening
        self._idle_s = idle_s
        self._rehearse = rehearse
        self._selector = selectors.DefaultSelector()
        self._own = OwnFiles.now()
        self._children = Children(self._selector, self._own, self._let_go)
        self._successor: Successor | None = None
        self._rehearsed = False
        self._served = 0
        self._begun = time.monotonic()
        self._stopping = False
        self.handed_over = False

    def serve(self) -> None:
        """Until told to stop, idle for long enough, or succeeded; a step that still runs is its client's to do again.

        handed_over is then true where the successor listens on.
        """
        self._children.last_step = time.monotonic()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            self._serve()
        finally:
            self._children.kill()
            if self._successor and not self.handed_over:
                os.kill(self._successor.pid, signal.SIGKILL)

    def _serve(self) -> None:
        while not self._stopping and (self._children.running or not self.handed_over):
            self._children.prepare()
            handle_events(self._selector, self._quiet_for_s())
            if self._quiet_for_s() == 0:
                if self._rehearse is None:
                    return
                self._fork_successor(self._rehearse)

    def _quiet_for_s(self) -> float | None:
        """How much longer no step may come until something is due; None while one runs. Questions do not count."""
        if self._children.running:
            return None
        due_s = min(QUIET_S, self._idle_s) if self._rehearse else self._idle_s
        return max(0.0, self._children.last_step + due_s - time.monotonic())

    def _fork_successor(self, rehearse: Callable[[], None]) -> None:
        """One attempt; returns in both processes."""
        self._rehearse = None
        server = os.getpid()
        read, write = os.pipe()
        try:
            pid = os.fork()
        except OSError:  # No room for another process: there is no successor.
            os.close(read)
            os.close(write)
            return
        if pid:
            os.close(write)
            self._successor = Successor(pid, read)
            self._selector.register(read, selectors.EVENT_READ, self._succeeded)
            return
        try:
            os.close(read)
            die_with(server)
            self._selector.close()
            self._children.close()
            rehearse()
            outlive()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        self._selector = selectors.DefaultSelector()
        self._children = Children(self._selector, self._own, self._let_go)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._rehearsed = True
        os.write(write, b"1")
        os.close(write)

    def _succeeded(self, ready: int) -> None:
        """The successor listens, or has died."""
        assert self._successor is not None
        self.handed_over = os.read(ready, 1) == b"1"
        self._selector.unregister(ready)
        os.close(ready)
        if self.handed_over:
            self._selector.unregister(self._listening)
            self._children.dismiss()
        else:
            os.waitpid(self._successor.pid, 0)
            self._successor = None

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except BlockingIOError:
            return  # The successor was sooner.
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
            "rehearsed": self._rehearsed,
            "standby": self._children.standby,
        }

    def _let_go(self) -> None:
        """In a child: close everything that is the server's alone."""
        self._listening.close()
        if self._successor:
            os.close(self._successor.ready)
        self._selector.close()


def _preload() -> None:
    """What every step's child shares with this process, copy on write."""
    import compileall
    import importlib

    from etbuild.build_engine.launch import WARM
    from etbuild.compile import compiler_imports

    # Steps write no bytecode, in whatever folder a model is; what they find of ours saves a tenth of a second each.
    compileall.compile_dir(PACKAGE, quiet=2)
    compiler_imports.load_all()
    for kind in sorted(WARM):
        importlib.import_module(f"etbuild.steps.{kind}")
    gc.collect()
    gc.freeze()


def _rehearse() -> None:
    from etbuild.compile_server.warm_up import rehearse

    rehearse()
    gc.collect()
    gc.freeze()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--idle-s", type=float, default=IDLE_S)
    options = parser.parse_args()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound under another name and renamed: nobody finds a socket that does not listen yet.
    part = options.socket.with_suffix(f".{os.getpid()}")
    listening.bind(str(part))
    listening.listen(64)
    listening.setblocking(False)
    part.replace(options.socket)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    inode = options.socket.stat().st_ino
    server = Server(listening, options.idle_s, _rehearse)
    try:
        _preload()
        server.serve()
    finally:
        with suppress(OSError):
            if not server.handed_over and options.socket.stat().st_ino == inode:
                options.socket.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
