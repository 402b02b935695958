"""The warm compile server: imports the compilers once and forks a child for each step. It builds nothing itself.

A child is the step's process as any other: same main(argv), folder, environment, log, exit code. It imports our own
modules anew when any of our files has changed, so the server never runs old code of a step.

The next child stands by already, its memory its own, where a processor is idle (see standby.py).

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
from dataclasses import dataclass, field
from pathlib import Path

from etbuild.workers import standby, wire
from etbuild.workers.child import OwnFiles, be_step, die_with, flush_all, outlive, stand_apart
from etbuild.workers.standby import Standby

IDLE_S = 600.0
# Without a step for so long, the server has time for a rehearsal.
QUIET_S = 1.0


@dataclass
class Child:
    """A running step. pidfd: readable when it has ended."""

    pid: int
    pidfd: int
    client: socket.socket
    begun: float = field(default_factory=time.monotonic)


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
        self._children: dict[int, Child] = {}
        self._successor: Successor | None = None
        self._standby: Standby | None = None
        self._may_stand_by = True
        self._rehearsed = False
        self._own = OwnFiles.now()
        self._served = 0
        self._begun = time.monotonic()
        self._last_step = self._begun
        self._stopping = False
        self.handed_over = False

    def serve(self) -> None:
        """Until told to stop, idle for long enough, or succeeded; a step that still runs is its client's to do again.

        handed_over is then true where the successor listens on.
        """
        self._last_step = time.monotonic()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            self._serve()
        finally:
            for child in self._children.values():
                _kill(child)
            self._dismiss_standby()
            if self._successor and not self.handed_over:
                os.kill(self._successor.pid, signal.SIGKILL)

    def _serve(self) -> None:
        while not self._stopping and (self._children or not self.handed_over):
            if self._may_stand_by and not self._standby and standby.has_room(len(self._children)):
                self._fork_standby()
            for key, _ in self._selector.select(self._quiet_for_s()):
                # An event may be of what an earlier one of the same round has closed.
                if key.fd in self._selector.get_map():
                    key.data(key.fileobj)
            if self._quiet_for_s() == 0:
                if self._rehearse is None:
                    return
                self._fork_successor(self._rehearse)

    def _quiet_for_s(self) -> float | None:
        """How much longer no step may come until something is due; None while one runs. Questions do not count."""
        if self._children:
            return None
        due_s = min(QUIET_S, self._idle_s) if self._rehearse else self._idle_s
        return max(0.0, self._last_step + due_s - time.monotonic())

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
            if self._standby:
                self._standby.orders.close()
                self._standby = None
            rehearse()
            outlive()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        self._selector = selectors.DefaultSelector()
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
            self._may_stand_by = False
            self._dismiss_standby()
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
            message, descriptors = wire.receive(client)
        except (OSError, ValueError):
            client.close()
            return
        if message.get("ask") == "step" and len(descriptors) == 2:
            self._begin(client, message, descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(OSError):
            wire.send(client, self._status())
        self._stopping = message.get("ask") == "stop"
        client.close()

    def _status(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "seconds": round(time.monotonic() - self._begun, 1),
            "idle_s": self._idle_s,
            "running": len(self._children),
            "served": self._served,
            "rehearsed": self._rehearsed,
            "standby": self._standby is not None and self._standby.ready,
        }

    def _begin(self, client: socket.socket, message: dict[str, object], descriptors: list[int]) -> None:
        """In the process that stands by if it is ready, else in one that is forked now."""
        pid = self._order_standby(message, descriptors)
        if pid is None:
            log, server, own = descriptors[0], os.getpid(), self._own

            def work() -> int:
                client.close()
                stand_apart(server)
                return be_step(message, log, own)

            pid = self._fork(work)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid is None:  # Who hears nothing does the step itself.
            client.close()
            return
        child = Child(pid, os.pidfd_open(pid), client)
        self._children[child.pidfd] = child
        self._served += 1
        self._selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._gone(child))

    def _fork(self, work: Callable[[], int]) -> int | None:
        """The number of a process that holds nothing of the server's and ends with what `work` returns."""
        # What the compilers have said so far would be written once more by the child, to the step's log.
        flush_all()
        try:
            pid = os.fork()
        except OSError:  # No room for another process.
            return None
        if pid == 0:
            code = 70
            try:
                self._close_all()
                code = work()
            except BaseException:
                traceback.print_exc()
            finally:
                flush_all()
                os._exit(code)
        return pid

    def _fork_standby(self) -> None:
        ours, theirs = socket.socketpair()
        server, own = os.getpid(), self._own

        def work() -> int:
            ours.close()
            return standby.stand_by(theirs, server, own)

        pid = self._fork(work)
        theirs.close()
        if pid is None:
            ours.close()
            return
        self._standby = Standby(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, self._standby_told)

    def _standby_told(self, _: object) -> None:
        """It is ready, or has died: then there is no other, since it may do so again."""
        if self._standby and not self._standby.heard():
            self._may_stand_by = False
            self._dismiss_standby()

    def _order_standby(self, message: dict[str, object], descriptors: list[int]) -> int | None:
        """The number of the process that stood by and is the step's now."""
        one = self._standby
        if one is None or not one.ready:
            return None
        if not one.order(message, descriptors):
            self._dismiss_standby()
            return None
        self._let_go_of(one)
        return one.pid

    def _dismiss_standby(self) -> None:
        one = self._standby
        if one is not None:
            self._let_go_of(one)
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)

    def _let_go_of(self, one: Standby) -> None:
        self._selector.unregister(one.orders)
        one.orders.close()
        self._standby = None

    def _ended(self, pidfd: int) -> None:
        child = self._children.pop(pidfd)
        self._last_step = time.monotonic()
        # Before it is waited for: until then no other process gets its number.
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        _, status, usage = os.wait4(child.pid, 0)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        with suppress(KeyError, ValueError):
            self._selector.unregister(child.client)
        with suppress(OSError):
            wire.send(
                child.client,
                {
                    "exit": os.waitstatus_to_exitcode(status),
                    "seconds": time.monotonic() - child.begun,
                    "peak_bytes": usage.ru_maxrss * 1024,
                },
            )
        child.client.close()

    def _gone(self, child: Child) -> None:
        """The client hung up: its step dies, with all that it started."""
        _kill(child)
        self._selector.unregister(child.client)

    def _close_all(self) -> None:
        """In a child: let go of everything that is the server's."""
        self._listening.close()
        if self._successor:
            os.close(self._successor.ready)
        if self._standby:
            self._standby.orders.close()
        for child in self._children.values():
            child.client.close()
            os.close(child.pidfd)
        self._selector.close()


def _kill(child: Child) -> None:
    """With all that it started; it may not yet be the leader of its group."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)


def _preload() -> None:
    """What every step's child shares with this process, copy on write."""
    import compileall
    import importlib

    from etbuild import stack
    from etbuild.process import WARM

    # Steps write no bytecode, in whatever folder a model is; what they find of ours saves a tenth of a second each.
    compileall.compile_dir(Path(stack.__file__).parent, quiet=2)
    stack.load_all()
    for kind in sorted(WARM):
        importlib.import_module(f"etbuild.steps.{kind}")
    gc.collect()
    gc.freeze()


def _rehearse() -> None:
    from etbuild.workers.rehearsal import rehearse

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
