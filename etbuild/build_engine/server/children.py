"""The step processes of the compile server. Where a processor is idle one is forked ahead, and waits for its step.

Server and child talk over a socket pair: the child receives its step on it, and sends its exit code before it exits,
because freeing the memory of all compilers takes longer than a client should wait.
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

from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import OwnFiles, copy_memory, detach, flush_all, run_step
from etbuild.system.memory import available_bytes
from etbuild.system.processors import processors

# A standby child copies a fifth of a GB: only with memory to spare, and not at the expense of a step that follows soon.
SPARE_BYTES = 4 << 30
PAUSE_S = 0.05
# No child blocks the server for longer; both sides read what they are sent at once.
SEND_TIMEOUT_S = 5.0
PROCESSORS = processors()


@dataclass
class Child:
    """A step's process, or a standby child.

    pidfd:  readable when it has ended.
    line:   the server's end of the socket pair.
    client: who waits for the step; None before there is one, and after it got its answer.
    """

    pid: int
    pidfd: int
    line: socket.socket
    client: socket.socket | None = None
    begun: float = 0.0

    def dispatch(self, message: dict[str, object], descriptors: list[int]) -> bool:
        """Send it its step; False, and the child is killed, when that fails."""
        try:
            protocol.send(self.line, message, descriptors)
        except OSError:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """Kill it with all that it started; it may not be the leader of its process group yet."""
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
    """The children of one server. The data of an event in its selector is the function to call with the event's object.

    own:          our files as they were before the server imported any of them.
    close_server: closes, in a new child, what only the server uses.
    """

    def __init__(self, selector: selectors.BaseSelector, own: OwnFiles, close_server: Callable[[], None]):
        self._selector = selector
        self._own = own
        self._close_server = close_server
        self._all: dict[int, Child] = {}
        self._standby: Child | None = None
        self._standby_allowed = True
        self.last_step = time.monotonic()

    @property
    def running(self) -> int:
        """How many steps a client waits for."""
        return sum(child.client is not None for child in self._all.values())

    @property
    def standby(self) -> bool:
        """Whether a child waits for the next step."""
        return self._standby is not None

    def begin(self, client: socket.socket, message: dict[str, object], descriptors: list[int]) -> bool:
        """Dispatch a step to the standby child, else to one that is forked now; False when neither takes it."""
        child, self._standby = self._standby, None
        if child is None or not child.dispatch(message, descriptors):
            child = self._fork(client)
            if child is None or not child.dispatch(message, descriptors):  # Without an answer the client runs the step.
                client.close()
                return False
        child.client, child.begun = client, time.monotonic()
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._client_closed(child))
        return True

    def prepare(self) -> None:
        """Fork a standby child, if a processor is idle and memory is to spare."""
        idle = self.running < PROCESSORS
        if self._standby_allowed and self._standby is None and idle and available_bytes() > SPARE_BYTES:
            self._standby = self._fork(None)

    def dismiss(self) -> None:
        """End the standby child, and fork no other."""
        self._standby_allowed = False
        if self._standby:
            self._standby.kill()

    def kill(self) -> None:
        for child in self._all.values():
            child.kill()

    def close(self) -> None:
        """In a new process: close the descriptors of all children."""
        for child in self._all.values():
            child.close()

    def _fork(self, client: socket.socket | None) -> Child | None:
        """A process that waits for its step; None when there is no room for another. client: None for a standby."""
        server = os.getpid()
        try:
            ours, theirs = socket.socketpair()
        except OSError:
            return None
        # Else the child would write what the compilers have buffered once more, to the step's log.
        flush_all()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            self._be_child(server, ours, theirs, client)
        theirs.close()
        ours.settimeout(SEND_TIMEOUT_S)
        child = Child(pid, os.pidfd_open(pid), ours)
        self._all[child.pidfd] = child
        self._selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self._selector.register(ours, selectors.EVENT_READ, lambda _: self._result_received(child))
        return child

    def _be_child(self, server: int, ours: socket.socket, theirs: socket.socket, client: socket.socket | None) -> None:
        """In the child; never returns."""
        code, own_pid = None, os.getpid()
        try:
            ours.close()
            if client:
                client.close()
            self.close()
            self._close_server()
            detach(server)
            if client is None:
                _copy_memory_until_readable(theirs)
            # The descriptor that marks the sandbox as in use stays open.
            message, (log, _alive) = protocol.receive(theirs)
            code = 70
            code = run_step(message, log, self._own)
        except BaseException:
            traceback.print_exc()
        finally:
            _exit_child(theirs, own_pid, code)

    def _result_received(self, child: Child) -> None:
        """The child sent its exit code."""
        try:
            message, _ = protocol.receive(child.line)
        except (OSError, ValueError):  # It has died: its pidfd reports that too.
            self._selector.unregister(child.line)
            return
        self._answer(child, message)

    def _ended(self, pidfd: int) -> None:
        child = self._all[pidfd]
        # Before it is waited for: until then no other process gets its number.
        child.kill()
        _, status, usage = os.wait4(child.pid, 0)
        self._answer(child, {"exit": os.waitstatus_to_exitcode(status), "peak_bytes": usage.ru_maxrss * 1024})
        if child is self._standby:  # It died without a step, and the next one might do the same.
            self._standby, self._standby_allowed = None, False
        del self._all[pidfd]
        for one in (child.pidfd, child.line):
            with suppress(KeyError, ValueError):
                self._selector.unregister(one)
        child.close()

    def _answer(self, child: Child, end: dict[str, object]) -> None:
        """Send the result to the client that still waits. Processes that the step has started end here too."""
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

    def _client_closed(self, child: Child) -> None:
        """The client cancelled: its step is killed, with all that it started."""
        assert child.client is not None
        child.kill()
        self._selector.unregister(child.client)


def handle_events(selector: selectors.BaseSelector, seconds: float | None) -> None:
    """Wait for events, at most that long, and call the data of each with its object."""
    for key, _ in selector.select(seconds):
        # An earlier event of the same round may have closed this descriptor, and its number may belong to another now.
        if selector.get_map().get(key.fd) is key:
            key.data(key.fileobj)


def _copy_memory_until_readable(line: socket.socket) -> None:
    """Copy memory ahead until the step arrives. The child works as well without."""
    with suppress(Exception):
        if not _readable(line, PAUSE_S):
            for _ in copy_memory():
                if _readable(line, 0):
                    break


def _readable(line: socket.socket, seconds: float) -> bool:
    return bool(select.select([line], [], [], seconds)[0])


def _exit_child(line: socket.socket, own_pid: int, code: int | None) -> None:
    """Never returns. A process that the step has forked ends here too, and sends no result.

    code: None when no step arrived; then the child dies by a signal, so that no client takes a code for its step's.
    """
    if code is None:
        os.kill(os.getpid(), signal.SIGKILL)
        return
    try:
        flush_all()
    except BaseException:
        code = code or 120  # Python's own exit code for this.
    try:
        if os.getpid() == own_pid:
            with suppress(OSError):
                protocol.send(line, {"exit": code & 0xFF, "peak_bytes": _peak_bytes()})
    finally:
        os._exit(code & 0xFF)


def _peak_bytes() -> int:
    """Of this process, or of a child that it waited for."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
