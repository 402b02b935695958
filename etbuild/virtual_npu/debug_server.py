"""A gdb server for a firmware whose NPU is beside QEMU. It is for one debugger, which it trusts.

It passes the debugger's packets on to QEMU's stub, and serves the stops for the NPU, which the debugger does not see.
"""

from __future__ import annotations

import re
import select
import socket
import time
from contextlib import suppress
from typing import IO, Any

from etbuild.virtual_npu.packets import AnswerTimeoutError, ConnectionEndedError, Stream
from etbuild.virtual_npu.session import IDLE_S, INTERRUPTED, Guest, Machine, Runner

_PACKET = re.compile(rb"\$([^#]*)#..", re.DOTALL)
_RESUMES = (b"c", b"s", b"C", b"S", b"vCont;")
_STOPPED = b"T05thread:01;"
_INTERRUPT = b"\x03"
# A debugger is a person.
_PATIENCE_S = 7 * 86400.0


class Debugger:
    """The debugger's end of the server: its packets, in order."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = Stream(connection, "the debugger", _PATIENCE_S)
        self._buffer = b""

    def fileno(self) -> int:
        """For `select`."""
        return self._connection.fileno()

    def packet(self) -> bytes:
        """The next packet. raises: ConnectionEndedError."""
        while not (found := _PACKET.search(self._buffer)):
            self.read()
        self._buffer = self._buffer[found.end() :]
        self._stream.send(b"+")
        return found[1]

    def interrupts(self) -> bool:
        """Whether it has asked for a stop, by what was read."""
        asks = _INTERRUPT in self._buffer
        self._buffer = self._buffer.replace(_INTERRUPT, b"")
        return asks

    def send(self, content: bytes) -> None:
        """A packet, which has its escapes."""
        self._stream.send(b"$%s#%02x" % (content, sum(content) & 0xFF))

    def read(self) -> None:
        """Wait for more. raises: ConnectionEndedError."""
        select.select([self._connection], [], [])
        try:
            data = self._connection.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise ConnectionEndedError("the debugger has gone")
        self._buffer += data


class DebugServer:
    """Between one debugger and one machine."""

    def __init__(self, machine: Machine, debugger: Debugger) -> None:
        self._machine = machine
        self._runner = Runner(machine)
        self._processor = machine.qemu.processor
        self._debugger = debugger

    def serve(self) -> None:
        """Until the debugger kills the program, detaches, or goes, or the program ends."""
        with suppress(ConnectionEndedError):
            while True:
                packet = self._debugger.packet()
                if packet == b"k":
                    return
                if packet.startswith(_RESUMES):
                    stop = self._resume(packet)
                    self._debugger.send(stop)
                    if stop[:1] in (b"W", b"X"):
                        return
                elif packet.startswith(b"D"):
                    self._debugger.send(b"OK")
                    self._runner.run(time.monotonic() + _PATIENCE_S)
                    return
                else:
                    self._debugger.send(self._processor.relay(packet))

    def _resume(self, packet: bytes) -> bytes:
        """Let the processor run as the debugger asked; the stop that the debugger sees, as QEMU's stub says it."""
        steps = packet[:1] in (b"s", b"S") or packet.startswith(b"vCont;s")
        while True:
            self._processor.send(packet)
            raw = self._next()
            stop = self._processor.stop_of(raw)
            if stop is None:
                continue
            if stop.exited or not self._runner.owns(stop):
                self._machine.transmitter.flush()
                if not stop.exited and stop.signal == INTERRUPTED:
                    self._machine.trap.settle()
                return raw
            self._runner.serve(stop)
            if steps and stop.watched is not None:
                return _STOPPED

    def _next(self) -> bytes:
        """The next packet of the running processor; the debugger's Ctrl-C stops it."""
        device = self._machine.device
        while True:
            stub, debugger = self._processor.fileno(), self._debugger.fileno()
            idle = IDLE_S if device and device.running else None
            if self._debugger.interrupts():
                self._processor.interrupt()
            ready = [stub] if self._processor.buffered else select.select([stub, debugger], [], [], idle)[0]
            if debugger in ready:
                self._debugger.read()
            if stub in ready:
                with suppress(AnswerTimeoutError):
                    return self._processor.receive(time.monotonic() + IDLE_S)
            elif not ready and device and device.running:
                self._runner.nudge()
                self._processor.interrupt()


def serve(guest: Guest, port: int, output: IO[Any], ready: Any) -> None:
    """Start a firmware, stopped, and serve the debugger that connects to 127.0.0.1:port.

    output: gets what the firmware prints. ready: called when a debugger can connect.
    """
    with socket.create_server(("127.0.0.1", port)) as server, Machine(guest, output) as machine:
        ready()
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            DebugServer(machine, Debugger(connection)).serve()
