"""The command line of an FVP, read into what to run. What the stand-in cannot do is refused by name.

It runs nothing.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild.errors import UsageError
from etbuild.fvp.parameters import PROGRAMS, REFUSED, Value, values

_SHORT = "C:f:a:T:Q:M:qhlv"
_LONG = (
    *("parameter=", "config-file=", "application=", "data=", "timelimit=", "simlimit=", "quantum="),
    *("min-sync-latency=", "stat", "quiet", "help", "list-params", "version", "print-port-number"),
)
# The instance that an image or data may be loaded for.
_INSTANCE = re.compile(r"^(?:cpu0\*?|\*)=")
_ADDRESS = re.compile(r"^(.*)@(0[xX][0-9a-fA-F]+|[0-9]+)$")
NAMES = {"-C": "parameter", "-f": "config-file", "-a": "application", "-T": "timelimit", "-Q": "quantum"}
NAMES |= {"-M": "min-sync-latency", "-q": "quiet", "-h": "help", "-l": "list-params", "-v": "version"}

HELP = """\
usage: {program} [options] [IMAGE]

It stands in for Arm's FVP of this name: the image runs in QEMU, with an Ethos-U beside it.

  -C, --parameter NAME=VALUE      set a parameter; --list-params prints their names
  -f, --config-file FILE          parameters, one NAME=VALUE a line
  -a, --application [cpu0=]IMAGE  load an image: ELF, or Intel HEX
  --data [cpu0=]FILE@ADDRESS      load the bytes of a file
  -T, --timelimit SECONDS         stop after this time; so does --simlimit
  --stat                          print the time and the NPU's jobs at the end
  -Q, --quantum N; -M, --min-sync-latency N; -q, --quiet; --print-port-number
                                  accepted; they change nothing here
  -l, --list-params; -v, --version; -h, --help
"""


@dataclass(frozen=True)
class Data:
    """Bytes of a file for the memory."""

    file: Path
    address: int


@dataclass(frozen=True)
class Order:
    """What to run.

    asks:    "help", "list-params" or "version" when only that is to be printed; else "".
    images:  the files of -a; the first starts.
    values:  of all parameters by name.
    limit_s: of the whole run; None for none. limited_by: the option that set it.
    """

    program: str
    asks: str = ""
    images: tuple[Path, ...] = ()
    data: tuple[Data, ...] = ()
    values: dict[str, Value] | None = None
    limit_s: float | None = None
    limited_by: str = ""
    stat: bool = False

    def text(self, name: str) -> str:
        """The value of a parameter of text, or of a number in decimal."""
        assert self.values is not None
        return str(self.values[name])

    def flag(self, name: str) -> bool:
        assert self.values is not None
        return bool(self.values[name])

    @property
    def macs(self) -> int:
        assert self.values is not None
        return int(self.values["ethosu.num_macs"])


def check_program(name: str) -> None:
    """raises: UsageError for an FVP that there is no stand-in for, with the reason where the name is known."""
    known = ", ".join(PROGRAMS)
    if name in REFUSED:
        raise UsageError(
            f"etbuild fvp: got {name}, wanted {known}\n"
            f"    QEMU has no machine with the memory map of {REFUSED[name]}; programs for Ethos-U85 run on that of "
            "Corstone-300: link for it, and use FVP_Corstone_SSE-300_Ethos-U85"
        )
    if name not in PROGRAMS:
        raise UsageError(f"etbuild fvp: got {name}, wanted {known}")


def read(program: str, arguments: Sequence[str]) -> Order:
    """The order of a command line.

    program:   a name of PROGRAMS.
    arguments: those behind the program's name.
    raises:    UsageError with the option, what was got and what is wanted.
    """
    try:
        pairs, rest = getopt.gnu_getopt(list(arguments), _SHORT, list(_LONG))
    except getopt.GetoptError as error:
        raise UsageError(
            f"{program}: got {error.msg}, wanted an option of this stand-in\n    {program} --help prints them"
        ) from None
    options = [(NAMES.get(key, key.lstrip("-")), text) for key, text in pairs]
    for key, _ in options:
        if key in ("help", "list-params", "version"):
            return Order(program, key)
    settings: dict[str, str] = {}
    for key, text in options:
        if key == "config-file":
            settings |= dict(_config_file(program, Path(text)))
        elif key == "parameter":
            name, value = _assignment(f"{program}: -C", text)
            settings[name] = value
    images = [_file(program, "-a", text) for key, text in options if key == "application"]
    images += [_file(program, "image", text) for text in rest]
    if not images:
        raise UsageError(f"{program}: got no image, wanted one\n    {program} -a IMAGE")
    limits = [(_seconds(program, key, text), key) for key, text in options if key in ("timelimit", "simlimit")]
    limit, limited_by = min(limits, default=(None, ""))
    return Order(
        program,
        images=tuple(images),
        data=tuple(_data(program, text) for key, text in options if key == "data"),
        values=values(program, settings),
        limit_s=limit,
        limited_by=limited_by,
        stat=any(key == "stat" for key, _ in options),
    )


def _assignment(place: str, text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"{place}: got {text}, wanted NAME=VALUE")
    return name.strip(), value.strip()


def _config_file(program: str, path: Path) -> Iterator[tuple[str, str]]:
    """The assignments of a file; what follows # is a comment."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"{program}: -f: got {path}, wanted a file that can be read\n    {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            yield _assignment(f"{path}:{number}", text)


def _file(program: str, option: str, text: str) -> Path:
    path = Path(_INSTANCE.sub("", text))
    if not path.is_file():
        raise UsageError(f"{program}: {option}: got {path}, wanted a file that exists")
    return path.absolute()


def _data(program: str, text: str) -> Data:
    found = _ADDRESS.match(text)
    if not found:
        raise UsageError(f"{program}: --data: got {text}, wanted FILE@ADDRESS")
    return Data(_file(program, "--data", found[1]), int(found[2], 0))


def _seconds(program: str, option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{program}: --{option}: got {text}, wanted seconds above 0")
    return seconds
