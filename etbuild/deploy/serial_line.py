"""A serial line: what the board prints on it, and a reset by its control lines. It writes no firmware.

A thread reads the line all the time: the buffers of a serial line hold less than a firmware prints.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from etbuild.deploy.received import Received
from etbuild.deploy.site import WAYS
from etbuild.errors import MissingTool, StepError, UsageError

if TYPE_CHECKING:
    from etbuild.deploy.site import Image, Site

POLL_S = 0.1
PULSE_S = 0.1
# How long a server of a remote line may take to be reached, and how long a write may take.
LIMIT_S = 10.0


class SerialConsole:
    """The board's serial line, open."""

    def __init__(self, site: Site):
        """raises: StepError when it cannot be opened; UsageError when it is not known which; MissingTool."""
        self._library = _pyserial()
        self._settings = site.deploy.serial
        self.where = site.place.serial or self._only_line(site)
        self._received = Received()
        self._closing = False
        self._line = self._open(site.board.name)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def before_start(self) -> None:
        self._received.forget()

    def after_start(self) -> None: ...

    def read(self, wait_s: float) -> bytes:
        return self._received.take(wait_s)

    def close(self) -> None:
        self._closing = True
        self._thread.join(LIMIT_S)
        with contextlib.suppress(Exception):
            self._line.close()

    def reset(self) -> None:
        """Reset the board as its file says.

        raises: StepError when the line cannot do that.
        """
        how, line = self._settings.reset, self._line
        try:
            if how == "break":
                line.send_break(PULSE_S)
            elif how != "none":
                setattr(line, how, True)
                time.sleep(PULSE_S)
                setattr(line, how, False)
            if self._settings.send:
                line.write(self._settings.send.encode() + b"\r\n")
                line.flush()
        except (OSError, ValueError, NotImplementedError, self._library.SerialException) as error:
            wanted = f"a line that can reset the board by {how}" if how != "none" else "a line that can be written to"
            raise StepError(f"{self.where}: got `{error}`, wanted {wanted}") from None

    def _open(self, board: str) -> Any:
        try:
            return self._library.serial_for_url(
                self.where, self._settings.baud, timeout=POLL_S, write_timeout=LIMIT_S, **_exclusive(self.where)
            )
        except (OSError, ValueError, self._library.SerialException) as error:
            text, remedy = _problem(str(error))
            raise StepError(f"{board}: serial line {self.where}: got {text}, wanted it open\n    {remedy}") from None

    def _only_line(self, site: Site) -> str:
        """The only line of a USB adapter that this machine has."""
        from serial.tools.list_ports import comports

        found = sorted(str(one.device) for one in comports() if one.vid is not None)
        if len(found) == 1:
            return found[0]
        got = f"{len(found)} of this machine ({', '.join(found)})" if found else "none, and no USB adapter here"
        remedy = WAYS.format("SERIAL", "serial", "serial")
        raise UsageError(f"{site.board.name}: serial: got {got}, wanted the board's line\n    {remedy}")

    def _follow(self) -> None:
        """Of the thread: read until the line is closed or gone."""
        while not self._closing:
            try:
                data = self._line.read(max(1, self._line.in_waiting))
            except (OSError, TypeError, self._library.SerialException):
                where = f"{self.where}: got the line gone while it was read"
                self._received.end(f"{where}, wanted the board's output\n    cable, and power of the adapter")
                return
            self._received.add(bytes(data))


class SerialTransport:
    """A board that has its firmware already; it is only reset."""

    def __init__(self, site: Site):
        self.console = SerialConsole(site)
        self.how = site.deploy.serial.reset

    def put(self, image: Image) -> str:
        return f"nothing copied: the board at {self.console.where} has to have {image.hex.name} already"

    def start(self, image: Image) -> str:
        self.console.reset()
        return f"reset by {self.how}" if self.how != "none" else "not reset: press the board's button"

    def close(self) -> None: ...


def _problem(text: str) -> tuple[str, str]:
    """What a message of pyserial means, and its remedy."""
    if "No such file" in text or "not found" in text:
        return "no such device", "is the board connected? ls /dev/serial/by-id"
    if "Permission denied" in text:
        return "no access", "sudo usermod -aG dialout $USER, then log in again"
    if "exclusively lock" in text or "busy" in text:
        return "it open in another program", "end that program: a terminal, a logger, another deploy"
    return f"`{text}`", "is the board connected and on?"


def _exclusive(where: str) -> dict[str, bool]:
    """One program at a time may open a device; a URL has its own rules."""
    return {} if "://" in where else {"exclusive": True}


def _pyserial() -> Any:
    try:
        import serial
    except ImportError:
        raise MissingTool(
            "pyserial: got no such Python package, wanted it for a serial line\n    pip install 'etbuild[deploy]'"
        ) from None
    return serial
