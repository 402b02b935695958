"""Transport `probe`: pyocd or JLinkExe write the image through a debug probe; a gdb server loads it into RAM."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.deploy import tool
from etbuild.deploy.gdb_server import GdbServer, first_words, segments
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.deploy.site import Console, Image, Site
    from etbuild.hardware.deploy_sections import Probe

_LIMIT_S = 180.0
_FOREVER_S = 86400.0
# What the programs print when they fail; JLinkExe and some versions of pyocd then end with exit code 0.
_PYOCD_FAILS = (
    r"No (available|connected) debug probes",
    r"^\d+:?\s*(E|C|ERROR|CRITICAL)\b",
    r"No ACK",
    r"(?i)target type .* not recogni",
)
_JLINK_FAILS = (
    r"Cannot connect to (target|the probe|J-Link)",
    r"(?i)could not (connect|find|open)",
    r"(?i)^(\*+ )?error\b",
    r"FAILED",
    r"No emulators connected",
    r"(?i)unknown (device|command)",
    r"VTref=0\.[0-4]",
)
_HINTS = {
    "pyocd": "pip install pyocd; pyocd list shows the probes, pyocd pack install TARGET a chip's flash algorithm",
    "jlink": "J-Link Software from SEGGER; is the probe connected, and the board on?",
}


class ProbeTransport:
    """A debug probe."""

    def __init__(self, site: Site):
        assert site.deploy.probe is not None, "boards without one are refused"
        self._site, self._probe = site, site.deploy.probe
        self._server = GdbServer(site.required("gdb")) if self._probe.program == "gdb" else None

    def put(self, image: Image) -> str:
        if self._server is None:
            return ""
        parts = segments(image.elf)
        self._server.load(parts)
        return f"{sum(len(one.data) for one in parts):,} bytes loaded through {self._server.where}"

    def start(self, image: Image) -> str:
        """pyocd and JLinkExe write the image and start it in one."""
        if self._server is not None:
            stack, entry = first_words(image.elf, image.address)
            self._server.start(entry, stack, self._probe.reset)
            return "started"
        if self._probe.program == "pyocd":
            tool.run(self._pyocd(image))
        else:
            with tempfile.TemporaryDirectory(prefix="etbuild") as folder:
                tool.run(self._jlink(image, Path(folder)))
        return f"{image.hex.name} written and started by {self._probe.program}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _pyocd(self, image: Image) -> tool.Call:
        words = ("pyocd", "load", *_pyocd_options(self._site, self._probe), str(image.hex.absolute()))
        return tool.Call(words, "", _PYOCD_FAILS, "", _LIMIT_S, _HINTS["pyocd"])

    def _jlink(self, image: Image, folder: Path) -> tool.Call:
        script = folder / "commands.jlink"
        script.write_text(f'r\nh\nloadfile "{image.hex.absolute()}"\nr\ng\nexit\n')
        words = ("JLinkExe", *_jlink_options(self._site, self._probe), "-CommandFile", str(script))
        return tool.Call(words, "", _JLINK_FAILS, "", _LIMIT_S, _HINTS["jlink"])


class _Rtt:
    """RTT, read by a program that starts when the board has been started."""

    def __init__(self, call: tool.Call):
        self._call = call
        self._program: tool.Printing | None = None

    def before_start(self) -> None: ...

    def after_start(self) -> None:
        self._program = tool.Printing(self._call)

    def read(self, wait_s: float) -> bytes:
        if self._program is None:
            self.after_start()
        assert self._program is not None
        return self._program.read(wait_s)

    def close(self) -> None:
        if self._program is not None:
            self._program.close()


def rtt_console(site: Site) -> Console:
    """RTT of the board's probe."""
    probe = site.deploy.probe
    if probe is None:
        raise StepError(f"{site.board.name}: got deploy.console: rtt without deploy.probe, wanted a probe")
    if probe.program == "pyocd":
        words = ("pyocd", "rtt", *_pyocd_options(site, probe))
        return _Rtt(tool.Call(words, "", _PYOCD_FAILS, "", _FOREVER_S, _HINTS["pyocd"]))
    words = ("JLinkRTTLogger", *_jlink_options(site, probe), "-RTTChannel", "0", "/dev/stdout")
    return _Rtt(tool.Call(words, "", _JLINK_FAILS, "", _FOREVER_S, _HINTS["jlink"]))


def _pyocd_options(site: Site, probe: Probe) -> tuple[str, ...]:
    """--no-wait: it would wait for a probe without end."""
    one = ("--uid", site.place.probe) if site.place.probe else ()
    return ("--no-wait", "--target", probe.target, *one, "--frequency", str(probe.speed_khz * 1000))


def _jlink_options(site: Site, probe: Probe) -> tuple[str, ...]:
    one = ("-USB", site.place.probe) if site.place.probe else ()
    device = ("-Device", probe.target, "-If", probe.interface.upper(), "-Speed", str(probe.speed_khz))
    return (*device, *one, "-AutoConnect", "1", "-ExitOnError", "1", "-NoGui", "1")
