"""How firmware gets onto a board and where its output is read, and where such a board is. It reaches no board.

`Deploy` is the section `deploy` of a board's file: what is true of every such board. `Place` is the section `deploy` of
a recipe, and `OwnPlace` an entry of the user's own file: where this one board is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from etbuild.config.setting import section, setting

# What reads the results by default, by transport.
CONSOLES: Mapping[str, str] = MappingProxyType(
    {"ssh-remoteproc": "trace", "serial": "serial", "probe": "serial", "command": "serial"}
)
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
# user@host:port, each but the host optional. A password, user:password@host, does not match.
_HOST = r"^([A-Za-z0-9_.-]+@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%a-z]+\])(:[0-9]{1,5})?$"
_SERVER = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$"
# A device, or a URL of pyserial without user and password.
_LINE = r"^[^\x00-\x1f\x7f@]+$"


@section(
    "",
    "A processor that Linux on the board loads and starts (remoteproc).",
    required=[],
    examples=[{"name": "remoteproc0"}],
)
@dataclass(frozen=True)
class Remoteproc:
    """A processor below /sys/class/remoteproc."""

    name: str = setting("Its name below /sys/class/remoteproc.", "remoteproc0", examples=["remoteproc0"], pattern=_NAME)
    folder: str = setting(
        "Where Linux looks for firmware.", "/lib/firmware", examples=["/lib/firmware"], pattern=r"^(/[A-Za-z0-9._-]+)+$"
    )
    trace: str = setting("Its trace buffer below debugfs.", "trace0", examples=["trace0"], pattern=_NAME)
    user: str = setting("User to log in as, without one in the host's name.", "root", examples=["root"], pattern=_NAME)


@section("", "The board's serial line.", required=[], examples=[{"baud": 115200, "reset": "dtr"}])
@dataclass(frozen=True)
class SerialLine:
    """The line that the board prints on. baud: bits per second."""

    baud: int = setting(
        "Speed of the line. Unit: bits a second.", 115200, examples=[115200], minimum=300, maximum=12000000
    )
    reset: str = setting(
        "What resets the board before its output is read: a pulse of DTR or RTS, a break, or nothing, where a person or"
        " another program does it.",
        "none",
        examples=["dtr"],
        enum=["none", "dtr", "rts", "break"],
    )
    send: str = setting(
        "Text that is sent after the reset, with a line end; e.g. a command of the board's boot loader.",
        "",
        examples=["boot"],
        maxLength=200,
    )


@section("", "The debug probe.", examples=[{"program": "pyocd", "target": "mimx9352_m33"}], required=["program"])
@dataclass(frozen=True)
class Probe:
    """The debug probe and the program that drives it."""

    program: str = setting(
        "pyocd or jlink (JLinkExe) write the image into the board's memory, flash too; gdb loads RAM through a gdb"
        " server that is already running.",
        examples=["pyocd"],
        enum=["pyocd", "jlink", "gdb"],
    )
    target: str = setting(
        "What the program calls the chip; not with gdb.", "", examples=["AE822FA0E5597LS0_M55_HP"], pattern=_NAME
    )
    interface: str = setting("Wires of the probe; only with jlink.", "swd", examples=["swd"], enum=["swd", "jtag"])
    speed_khz: int = setting("Clock of the probe. Unit: kHz.", 4000, examples=[4000], minimum=1, maximum=100000)
    reset: str = setting(
        "Command of the gdb server that resets the processor after the load; without one it starts at the image's entry"
        " as it is. Only with gdb.",
        "",
        examples=["system_reset"],
        maxLength=100,
    )


@section(
    "",
    "One program to start. In its words {elf}, {bin}, {hex} are files of the image, {address} where firmware.bin goes,"
    " {name} the recipe, and any other name in braces one of the user's variables.",
    examples=[{"run": ["west", "flash", "--hex-file", "{hex}"]}],
    required=["run"],
)
@dataclass(frozen=True)
class ToolCall:
    """A program of a vendor, and how it fails."""

    run: tuple[str, ...] = setting(
        "Program and arguments; no shell is involved.",
        examples=[["west", "flash"]],
        minItems=1,
        items={"type": "string"},
        wanted="a list of words",
    )
    folder: str = setting("The folder that it is started in.", "", examples=["{setools}"])
    fails_on: tuple[str, ...] = setting(
        "Regular expressions; one that is found in its output means failure, whatever its exit code.",
        (),
        examples=[["^ERROR", "FAILED"]],
        items={"type": "string"},
    )
    wants: str = setting(
        "Regular expression that must be found in its output; without it the exit code alone counts.",
        "",
        examples=["Done"],
    )
    timeout_s: float = setting(
        "How long it may take; it is ended after that. Unit: seconds.",
        120,
        examples=[120],
        exclusiveMinimum=0,
        maximum=3600,
    )


@section("", "A file that the programs read.", examples=[{"path": "{setools}/image.json", "text": "{}"}])
@dataclass(frozen=True)
class WrittenFile:
    """A file that is written before the programs start; names in braces are replaced in both."""

    path: str = setting("Its path.", examples=["{setools}/build/config/etbuild.json"], minLength=1)
    text: str = setting("Its content, one line.", examples=['{"APP": {"mramAddress": "{address}"}}'])


@section(
    "",
    "How firmware gets onto the board (`doit deploy:R`), and where its output is read (`run: {on: board}`).",
    examples=[{"transport": "ssh-remoteproc", "remoteproc": {"name": "remoteproc0"}}],
    required=["transport"],
)
@dataclass(frozen=True)
class Deploy:
    """How firmware gets onto a board."""

    transport: str = setting(
        "ssh-remoteproc: copied to Linux on the board, which starts it; serial: it is on the board already, and only"
        " reset; probe: by a debug probe; command: by programs of the vendor.",
        examples=["probe"],
        enum=[*CONSOLES],
    )
    console: str = setting(
        "Where the output is read: trace, the trace buffer of remoteproc; serial; rtt, through the probe; output, what"
        " the last program of `commands` prints. Without it: trace with ssh-remoteproc, else serial.",
        "",
        examples=["serial"],
        computed=True,
        enum=["trace", "serial", "rtt", "output"],
    )
    remoteproc: Remoteproc = setting("", Remoteproc)
    serial: SerialLine = setting("", SerialLine)
    probe: Probe | None = setting("", None)
    files: tuple[WrittenFile, ...] = setting(
        "Files that are written before `commands` start.",
        (),
        examples=[[{"path": "{setools}/image.json", "text": "{}"}]],
    )
    commands: tuple[ToolCall, ...] = setting(
        "Programs, one after the other; with transport: command.",
        (),
        examples=[[{"run": ["west", "flash", "--hex-file", "{hex}"]}]],
    )

    @property
    def reads(self) -> str:
        """The console: trace, serial, rtt or output."""
        return self.console or CONSOLES[self.transport]


@section(
    "deploy",
    "Where the board is. Entries of ~/.config/etbuild/boards.yaml and the variables ETBUILD_BOARD_... win. Keys and"
    " passwords never belong here.",
    required=[],
    examples=[{"host": "root@imx93.local", "serial": "/dev/ttyUSB0"}],
)
@dataclass(frozen=True)
class Place:
    """Where one board is."""

    host: str = setting(
        "Linux on the board: HOST, USER@HOST or USER@HOST:PORT.",
        "",
        examples=["root@imx93.local"],
        option="--host",
        pattern=_HOST,
        wanted="HOST, USER@HOST or USER@HOST:PORT, without a password: log in with a key",
    )
    serial: str = setting(
        "Its serial line: a device, or a URL of pyserial (socket://HOST:PORT, rfc2217://HOST:PORT).",
        "",
        examples=["/dev/ttyUSB0"],
        option="--serial",
        pattern=_LINE,
        wanted="a device or a URL without user and password",
    )
    probe: str = setting(
        "Serial number of its debug probe; needed with more than one.", "", examples=["000801006574"], pattern=_NAME
    )
    gdb: str = setting(
        "Its gdb server, HOST:PORT; with probe: {program: gdb}.",
        "",
        examples=["localhost:3333"],
        pattern=_SERVER,
        wanted="HOST:PORT",
    )
    variables: tuple[str, ...] = setting(
        "What replaces names in braces in the board's `commands` and `files`: a list of name=value.",
        (),
        examples=[["setools=/opt/setools"]],
        option="--variable",
        uniqueItems=True,
        items={"type": "string", "pattern": "^[a-z_][a-z0-9_]*=.*$"},
        wanted="a list of name=value",
    )


@section("", "Where a board is, and the key for it.", required=[], examples=[{"host": "10.0.0.7", "key": "~/.ssh/lab"}])
@dataclass(frozen=True)
class OwnPlace(Place):
    """An entry of the user's file. A secret is never in it: only the path of a key."""

    key: str = setting(
        "File of the private key for ssh; without it those of the ssh agent and of ~/.ssh.",
        "",
        examples=["~/.ssh/id_ed25519"],
    )
    known_hosts: str = setting(
        "File with the host keys that are trusted; ~/.ssh/known_hosts without it.",
        "",
        examples=["~/.ssh/known_hosts"],
    )


@section("places", "Boards of this user: where they are.", title="etbuild boards of a user", required=[])
@dataclass(frozen=True)
class Places:
    """The user's file."""

    boards: Mapping[str, OwnPlace] = setting(
        "By the name of the board, as in runtime.board without .yaml.",
        dict,
        examples=[{"imx93-evk": {"host": "root@10.0.0.7"}}],
        propertyNames={"pattern": _NAME},
    )
