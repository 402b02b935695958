"""Firmware for a processor that Linux on the board starts (remoteproc): copied by ssh, started, its trace buffer read.

The image is copied under another name, compared, and renamed: the final name has a whole image or the old one.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from etbuild.deploy.ssh import Done, Ssh
from etbuild.errors import StepError
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from etbuild.deploy.site import Image, Site

CLASS = "/sys/class/remoteproc"
DEBUG = "/sys/kernel/debug/remoteproc"
POLL_S = 0.1
# How long a processor may take to say that it runs, or has stopped.
STATE_S = 5.0
_STOPPED = ("offline", "detached")


class RemoteprocTransport:
    """The ssh connection to the board's Linux, and the processor's files in sysfs."""

    def __init__(self, site: Site):
        settings = site.deploy.remoteproc
        self.board, self.settings = site.board.name, settings
        self.ssh = Ssh(site, settings.user)
        self._files = f"{CLASS}/{settings.name}"

    def put(self, image: Image) -> str:
        final = f"{self.settings.folder}/{_file_name(image)}"
        part = f"{self.settings.folder}/.{_file_name(image)}.part"
        done = self.ssh.run(f"cat > {shlex.quote(part)}", image.elf)
        if done.code:
            self.ssh.run(f"rm -f {shlex.quote(part)}")
            raise self._error(f"`{done.error}` at the copy to {final}", "the firmware's file", "room and write access")
        if self._digest(part) != sha256(image.elf):
            self.ssh.run(f"rm -f {shlex.quote(part)}")
            raise self._error(f"other bytes in {part} than were sent", "a copy of the image", "room in that folder")
        self._must(f"mv -f {shlex.quote(part)} {shlex.quote(final)}", f"{final} replaced")
        return f"{final} on {self.ssh.where}: {image.elf.stat().st_size:,} bytes"

    def start(self, image: Image) -> str:
        state = self.state()
        if state not in _STOPPED:
            self._must(f"echo stop > {self._files}/state", f"{self.settings.name} stopped, which was {state}")
            self._reach(_STOPPED, "stop")
        self._must(f"echo {shlex.quote(_file_name(image))} > {self._files}/firmware", "the name of the firmware set")
        self._must(f"echo start > {self._files}/state", f"{self.settings.name} started")
        self._reach(("running",), "start")
        return f"{self.settings.name} runs"

    def state(self) -> str:
        """What Linux says of the processor: offline, running, crashed...

        raises: StepError when it has no such processor.
        """
        done = self.ssh.run(f"cat {self._files}/state")
        if done.code:
            remedy = f"ls {CLASS}; the device tree must have the processor, and the kernel its driver"
            raise self._error(f"no {self._files}", "a processor that Linux starts", remedy)
        return done.output.decode("ascii", "replace").strip()

    def trace(self) -> bytes | None:
        """What is in the trace buffer; None when there is none."""
        done = self.ssh.run(f"cat {DEBUG}/{self.settings.name}/{self.settings.trace}")
        return None if done.code else done.output.rstrip(b"\0")

    def close(self) -> None:
        self.ssh.close()

    def _digest(self, path: str) -> str:
        done = self.ssh.run(f"sha256sum {shlex.quote(path)}")
        return done.output.decode("ascii", "replace").split(" ")[0] if done.code == 0 else ""

    def _must(self, command: str, wanted: str) -> Done:
        done = self.ssh.run(command)
        if done.code:
            log = f"ssh {self.ssh.where} dmesg | tail says why"
            raise self._error(f"`{done.error or f'exit code {done.code}'}` from `{command}`", wanted, log)
        return done

    def _reach(self, wanted: tuple[str, ...], command: str) -> None:
        end = time.monotonic() + STATE_S
        while (state := self.state()) not in wanted:
            if time.monotonic() > end:
                remedy = f"ssh {self.ssh.where} dmesg | tail says why"
                got = f"state {state} {STATE_S:g} s after {command}"
                raise self._error(got, " or ".join(wanted), remedy)
            time.sleep(POLL_S)

    def _error(self, got: str, wanted: str, remedy: str) -> StepError:
        return StepError(f"{self.board} at {self.ssh.where}: got {got}, wanted {wanted}\n    {remedy}")


class TraceConsole:
    """The trace buffer of a processor, read again and again."""

    def __init__(self, transport: RemoteprocTransport | None, site: Site):
        """transport: the connection to use; None opens one."""
        self._own = transport is None
        self._transport = transport or RemoteprocTransport(site)
        self._buffer = TraceBuffer()
        self._old: bytes | None = None

    def before_start(self) -> None:
        """Remember what an older run has printed: it stays until the new one begins to print."""
        self._old = self._transport.trace() or None

    def after_start(self) -> None:
        self._buffer = TraceBuffer()

    def read(self, wait_s: float) -> bytes:
        end = time.monotonic() + wait_s
        while True:
            text = self._transport.trace()
            if text is None:
                self._explain()
            elif text != self._old:
                self._old = None
                if new := self._buffer.new(text):
                    return new
            if time.monotonic() >= end:
                return b""
            time.sleep(POLL_S)

    def close(self) -> None:
        if self._own:
            self._transport.close()

    def _explain(self) -> None:
        state, where = self._transport.state(), self._transport.ssh.where
        settings = self._transport.settings
        if state != "running":
            raise StepError(f"{where}: got {settings.name} {state}, wanted it running\n    dmesg of the board says why")
        raise StepError(
            f"{where}: got no {settings.trace} of {settings.name}, wanted the trace buffer of the firmware\n"
            "    mount -t debugfs none /sys/kernel/debug, if the board's file has a resource table with a trace buffer"
        )


class TraceBuffer:
    """Finds what is new in a buffer that is read as a whole.

    A firmware appends until the end of the buffer and then writes over its beginning. What was overwritten before it
    was read is lost; the frames' numbers and sums show that.
    """

    def __init__(self) -> None:
        # What was there, and where the firmware writes next as far as that is known.
        self._last = b""
        self._at = 0

    def new(self, text: bytes) -> bytes:
        """What was written since the last call. text: the whole buffer.

        Where a byte was overwritten by an equal one it counts as new with the next one that differs.
        """
        last, self._last = self._last, text
        if len(text) < len(last):  # Started again, or ended by a 0 behind the newest byte.
            self._at = len(text)
            return text
        before = 0 if self._at == len(last) == len(text) else self._at
        ahead = max((at for at in range(before, len(text)) if text[at : at + 1] != last[at : at + 1]), default=-1) + 1
        behind = max((at for at in range(before) if text[at] != last[at]), default=-1) + 1
        if behind:
            self._at = behind
            return text[before:] + text[:behind]
        self._at = ahead or self._at
        return text[before:ahead]


def _file_name(image: Image) -> str:
    return f"etbuild-{image.name}.elf"
