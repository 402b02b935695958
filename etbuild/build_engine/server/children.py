"""The compile server's step processes. One stands by where a processor is idle: forked ahead, its memory its own.

A process is told its step over a line of its own, and tells its exit code over it: to give back the memory of all
compilers takes longer than a client should wait.
"""

from __future__ import annotations

import os
import resource
import select
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from etbuild.build_engine.admission import available_bytes
from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import OwnFiles, be_step, flush_all, own_memory, stand_apart

# One that stands by has a fifth of a GB to itself: a luxury that takes nobody's memory, and no processor from a step
# that follows at once.
SPARE_BYTES = 4 << 30
PAUSE_S = 0.05
# No child keeps the server for longer; both sides read what they are sent at once.
LINE_S = 5.0
PROCESSORS = len(os.sched_getaffinity(0))


@dataclass
class Child:
    """A step's process, or one that stands by.

    pidfd:  readable when it has ended.
    line:   the server's end of what they tell each other.
    client: who waits for the step; None before there is one, and once it has heard.
    """

    pid: int
    pidfd: int
    line: socket.socket
    client: socket.socket | None = None
    begun: float = 0.0

    def told(self, message: dict[str, object], descriptors: list[int]) -> bool:
        """Whether it got its step; it ends where it did not."""
        try:
            protocol.send(self.line, message, descriptors)
        except OSError:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """With all that it started; it may not yet be the leader of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        os.close(self.pidfd)
        self.line.close()
        if self.client:
            self.client.close()


class Children:
    """Those of one server. The data of their events in its selector is what to call with the event's object.

    own:    our files as they were before the server imported what it has of them.
    let_go: closes in a new process what is the server's alone.
    """

    def __init__(self, selector: selectors.BaseSelector, own: OwnFiles, let_go: Callable[[], None]):
        self._selector = selector
        self._own = own
        self._let_go = let_go
        self._all: dict[int, Child] = {}
        self._standby: Child | None = None
        self._may_stand_by = True
        self.last_step = time.monotonic()

    @property
    def running(self) -> int:
        """Steps that somebody waits for."""
        return sum(child.client is not None for child in self._all.values())

    @property
    def standby(self) -> bool:
        """Whether the next step begins at once."""
        return self._standby is not None

    def begin(self, client: socket.socket, message: dict[str, object], descriptors: list[int]) -> bool:
        """Whether the step began: in the process that stands by, else in one that is forked now."""
        child, self._standby = self._standby, None
        if child is None or not child.told(message, descriptors):
            child = self._fork(client)
            if child is None or not child.told(message, descriptors):  # Who hears nothing does the step itself.
                client.close()
                return False
        child.client, child.begun = client, time.monotonic()
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._gone(child))
        return True

    def prepare(self) -> None:
        """Let one stand by, where a processor is idle and memory to spare."""
        idle = self.running < PROCESSORS
        if self._may_stand_by and self._standby is None and idle and available_bytes() > SPARE_BYTES:
            self._standby = self._fork(None)

    def dismiss(self) -> None:
        """None stands by from now on."""
        self._may_stand_by = False
        if self._standby:
            self._standby.kill()

    def kill(self) -> None:
        for child in self._all.values():
            child.kill()

    def close(self) -> None:
        """In a new process: let go of all of them."""
        for child in self._all.values():
            child.close()

    def _fork(self, client: socket.socket | None) -> Child | None:
        """A process that waits for its step; None when there is no room for another. client: None: it stands by."""
        server = os.getpid()
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return None
        # What the compilers have said so far would be written once more by the child, to the step's log.
        flush_all()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            code, own_pid = None, os.getpid()
            try:
                ours.close()
                if client:
                    client.close()
                self.close()
                self._let_go()
                stand_apart(server)
                if client is None:
                    _prepare(theirs)
                # The descriptor that shows that the step lives stays open.
                message, (log, _alive) = protocol.receive(theirs)
                code = 70
                code = be_step(message, log, self._own)
            except BaseException:
                traceback.print_exc()
            finally:
                _end(theirs, own_pid, code)
        theirs.close()
        ours.settimeout(LINE_S)
        child = Child(pid, os.pidfd_open(pid), ours)
        self._all[child.pidfd] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._heard(child))
        return child

    def _heard(self, child: Child) -> None:
        """It has an exit code."""
        try:
            message, _ = protocol.receive(child.line)
        except (OSError, ValueError):  # It has died: its pidfd says so too.
            self._selector.unregister(child.line)
            return
        self._answer(child, message)

    def _ended(self, pidfd: int) -> None:
        child = self._all[pidfd]
        # Before it is waited for: until then no other process gets its number.
        child.kill()
        _, status, usage = os.wait4(child.pid, 0)
        self._answer(child, {"exit": os.waitstatus_to_exitcode(status), "peak_bytes": usage.ru_maxrss * 1024})
        if child is self._standby:  # Nobody asked for that, and the next one might do the same.
            self._standby, self._may_stand_by = None, False
        del self._all[pidfd]
        for one in (child.pidfd, child.line):
            with suppress(KeyError, ValueError):
                self._selector.unregister(one)
        child.close()

    def _answer(self, child: Child, end: dict[str, object]) -> None:
        """Tell who still waits. What the step has started ends here too."""
        child.kill()
        if child.client is None:
            return
        self.last_step = time.monotonic()
        with suppress(KeyError, ValueError):
            self._selector.unregister(child.client)
        with suppress(OSError):
            protocol.send(child.client, {**end, "seconds": self.last_step - child.begun})
        child.client.close()
        child.client = None

    def _gone(self, child: Child) -> None:
        """The client hung up: its step dies, with all that it started."""
        assert child.client is not None
        child.kill()
        self._selector.unregister(child.client)


def handle_events(selector: selectors.BaseSelector, seconds: float | None) -> None:
    """Wait for events, at most so long, and call the data of each with its object."""
    for key, _ in selector.select(seconds):
        # An event may be of what an earlier one of the same round has closed, its number somebody else's now.
        if selector.get_map().get(key.fd) is key:
            key.data(key.fileobj)


def _prepare(line: socket.socket) -> None:
    """Until the step comes. It serves as well without."""
    with suppress(Exception):
        if not _readable(line, PAUSE_S):
            for _ in own_memory():
                if _readable(line, 0):
                    break


def _readable(line: socket.socket, seconds: float) -> bool:
    return bool(select.select([line], [], [], seconds)[0])


def _end(line: socket.socket, own_pid: int, code: int | None) -> None:
    """Never returns. A process that the step has forked comes here too, and tells nobody.

    code: None when no step came, so that whoever has one for it does not take a code for its.
    """
    if code is None:
        os.kill(os.getpid(), signal.SIGKILL)
        return
    try:
        flush_all()
    except BaseException:
        code = code or 120  # As Python ends.
    try:
        if os.getpid() == own_pid:
            _tell(line, exit=code & 0xFF, peak_bytes=_peak_bytes())
    finally:
        os._exit(code & 0xFF)


def _peak_bytes() -> int:
    """Of this process, or of one that it waited for."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _tell(line: socket.socket, **facts: object) -> None:
    with suppress(OSError):
        protocol.send(line, facts)
