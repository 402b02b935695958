"""The warm compile server: imports the compilers once and forks a child for each step. It builds nothing itself.

A child is the step's process as any other: same main(argv), folder, environment, log, exit code. Our own modules are
imported in the child, so the server never runs old code of a step.
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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from etbuild.workers import wire

IDLE_S = 600.0
# Linux, prctl(2); Python has no name for it.
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A running step. pidfd: readable when it has ended."""

    pid: int
    pidfd: int
    client: socket.socket
    begun: float = field(default_factory=time.monotonic)


class Server:
    """One thread, one selector: the listening socket, the clients, the children's pidfds."""

    def __init__(self, listening: socket.socket, idle_s: float):
        self._listening = listening
        self._idle_s = idle_s
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, Child] = {}
        self._served = 0
        self._begun = time.monotonic()
        self._stopping = False

    def serve(self) -> None:
        """Until told to stop, or idle for long enough; a step that still runs then is its client's to do again."""
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        try:
            self._serve()
        finally:
            for child in self._children.values():
                _kill(child)

    def _serve(self) -> None:
        while not self._stopping:
            events = self._selector.select(None if self._children else self._idle_s)
            if not events and not self._children:
                return
            for key, _ in events:
                # An event may be of what an earlier one of the same round has closed.
                if key.fd in self._selector.get_map():
                    key.data(key.fileobj)

    def _accept(self, listening: socket.socket) -> None:
        client, _ = listening.accept()
        client.settimeout(5)
        try:
            message, descriptors = wire.receive(client)
        except (OSError, ValueError):
            client.close()
            return
        if message.get("ask") == "step" and len(descriptors) == 2:
            self._fork(client, message, descriptors)
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
        }

    def _fork(self, client: socket.socket, message: dict[str, object], descriptors: list[int]) -> None:
        log, alive = descriptors
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                self._close_all()
                client.close()
                code = _child(message, log, server)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.close(log)
        os.close(alive)
        child = Child(pid, os.pidfd_open(pid), client)
        self._children[child.pidfd] = child
        self._served += 1
        self._selector.register(child.pidfd, selectors.EVENT_READ, self._ended)
        self._selector.register(client, selectors.EVENT_READ, lambda _: self._gone(child))

    def _ended(self, pidfd: int) -> None:
        child = self._children.pop(pidfd)
        _, status, usage = os.wait4(child.pid, 0)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
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


def _child(message: dict[str, object], log: int, server: int) -> int:
    """Be the step's process; its exit code."""
    os.setsid()
    _die_with(server)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    environment, argv, kind = message["env"], message["argv"], message["kind"]
    assert isinstance(environment, dict) and isinstance(argv, list)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(str(message["cwd"]))
    sys.argv = [f"etbuild.steps.{kind}", *argv]
    for name in [name for name in sys.modules if name.startswith("etbuild.")]:
        del sys.modules[name]
    gc.enable()
    import importlib

    from etbuild.errors import exit_code_of

    module = importlib.import_module(f"etbuild.steps.{kind}")
    try:
        return exit_code_of(module.main, argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def _die_with(server: int) -> None:
    """After kill -9 of the server its client does the step again: nothing goes on beside that."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(70)


def _preload() -> None:
    """What every step's child shares with this process, copy on write."""
    from etbuild import stack

    stack.load_all()
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
    part.replace(options.socket)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    inode = options.socket.stat().st_ino
    try:
        _preload()
        Server(listening, options.idle_s).serve()
    finally:
        with suppress(OSError):
            if options.socket.stat().st_ino == inode:
                options.socket.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
