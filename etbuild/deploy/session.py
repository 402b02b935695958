"""Reaches a board: its transport and its console behind one interface. It decides nothing about results.

Which ones is said by the board's section `deploy`, where they are by the `OwnPlace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from etbuild.deploy import probe, remoteproc, serial_line, vendor_tools
from etbuild.deploy.site import Console, Image, Site, Transport


@dataclass(frozen=True)
class Session:
    """A board that is reached."""

    site: Site
    transport: Transport
    console: Console

    def start(self, image: Image) -> str:
        """Start the board; the console has what it prints from then on. return: what was done."""
        self.console.before_start()
        done = self.transport.start(image)
        self.console.after_start()
        return done


@contextmanager
def opened(site: Site, *, console: bool = True, transport: bool = True) -> Iterator[Session]:
    """Reach a board.

    console:   False: nothing of what it prints is read.
    transport: False: it is neither changed nor started, only listened to.
    raises:    StepError when it cannot be reached; UsageError when it is not known where it is; MissingTool.
    """
    with ExitStack() as stack:
        way: Transport = _TRANSPORTS[site.deploy.transport](site) if transport else _Nothing()
        stack.callback(way.close)
        read: Console = _console(site, way) if console else _Nothing()
        stack.callback(read.close)
        yield Session(site, way, read)


_TRANSPORTS: dict[str, Callable[[Site], Transport]] = {
    "ssh-remoteproc": remoteproc.RemoteprocTransport,
    "serial": serial_line.SerialTransport,
    "probe": probe.ProbeTransport,
    "command": vendor_tools.CommandTransport,
}


def _console(site: Site, way: Transport) -> Console:
    kind = site.deploy.reads
    if kind == "trace":
        return remoteproc.TraceConsole(way if isinstance(way, remoteproc.RemoteprocTransport) else None, site)
    if kind == "output":
        return vendor_tools.OutputConsole(way, site)
    if kind == "rtt":
        return probe.rtt_console(site)
    if isinstance(way, serial_line.SerialTransport):
        return way.console
    return serial_line.SerialConsole(site)


class _Nothing:
    """A transport that brings nothing, and a console that is not read."""

    def put(self, image: Image) -> str:
        return ""

    def start(self, image: Image) -> str:
        return ""

    def before_start(self) -> None: ...

    def after_start(self) -> None: ...

    def read(self, wait_s: float) -> bytes:
        return b""

    def close(self) -> None: ...
