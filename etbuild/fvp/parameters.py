"""The parameters that `-C NAME=VALUE` sets: their names, types, defaults, and the values that QEMU can be.

A name that is not in this table is refused, and so is a value that the stand-in cannot be: it never runs another
machine than the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from etbuild.errors import UsageError

Value = bool | int | str

UARTS = 3
# A longer command line is cut by the FVP.
COMMAND_LINE_BYTES = 256
_NPU_ARGUMENTS = ("--fast",)
_TRUE, _FALSE = ("1", "true", "on"), ("0", "false", "off")


class Program(NamedTuple):
    """An FVP by its name. npu: of the Ethos-U. macs: that it can have. arm: the name is one of Arm's."""

    npu: str
    macs: tuple[int, ...]
    default_macs: int
    arm: bool = True


PROGRAMS = {
    "FVP_Corstone_SSE-300_Ethos-U55": Program("ethos-u55", (32, 64, 128, 256), 128),
    "FVP_Corstone_SSE-300_Ethos-U65": Program("ethos-u65", (256, 512), 256),
    "FVP_Corstone_SSE-300_Ethos-U85": Program("ethos-u85", (128, 256, 512, 1024, 2048), 256, arm=False),
}
# FVPs that QEMU's machine cannot be: another memory map, another processor.
REFUSED = {
    "FVP_Corstone_SSE-310": "Corstone-310",
    "FVP_Corstone_SSE-310_Ethos-U65": "Corstone-310",
    "FVP_Corstone_SSE-315": "Corstone-315",
    "FVP_Corstone_SSE-320": "Corstone-320",
    "FVP_Corstone-1000": "Corstone-1000",
    "FVP_Corstone-1000-A320": "Corstone-1000",
}


class Parameter(NamedTuple):
    """One parameter. only: the values that the stand-in can be; empty for all. used: it changes what runs."""

    name: str
    default: Value
    only: tuple[Value, ...] = ()
    used: bool = False

    @property
    def kind(self) -> str:
        return {bool: "0 or 1", int: "a number", str: "text"}[type(self.default)]


_FIXED = (
    Parameter("core_clk.mul", 25000000),
    Parameter("core_clk.div", 1),
    Parameter("cpu0.semihosting-enable", True, used=True),
    Parameter("cpu0.semihosting-cmd_line", "", used=True),
    Parameter("cpu0.semihosting-cwd", "", used=True),
    Parameter("cpu0.semihosting-heap_base", 0),
    Parameter("cpu0.semihosting-heap_limit", 0),
    Parameter("cpu0.semihosting-stack_base", 0),
    Parameter("cpu0.semihosting-stack_limit", 0),
    # Sizes of the TCMs; where an image lies is checked.
    Parameter("cpu0.CFGITCMSZ", 10),
    Parameter("cpu0.CFGDTCMSZ", 10),
    Parameter("cpu0.FPU", True, (True,)),
    Parameter("cpu0.MVE", 2, (2,)),
    Parameter("cpu0.MPU_S", 16, (8, 16)),
    Parameter("cpu0.MPU_NS", 16, (8, 16)),
    Parameter("cpu0.SAU", 8, (4, 8)),
    Parameter("cpu0.INITSVTOR", 0x10000000, (0, 0x10000000)),
    Parameter("cpu0.INITNSVTOR", 0, (0,)),
    Parameter("mps3_board.sse300.iotss3_systemcontrol.INITSVTOR_RST", 0x10000000, (0, 0x10000000)),
    Parameter("mps3_board.visualisation.disable-visualisation", False),
    Parameter("mps3_board.visualisation.rate_limit-enable", True),
    Parameter("mps3_board.hostbridge.userNetworking", False),
    Parameter("mps3_board.smsc_91c111.enabled", False, (False,)),
    Parameter("mps3_board.DISABLE_GATING", False),
    Parameter("mps3_board.FPGA_SRAM_SIZE", 2, (1, 2)),
    Parameter("ethosu.extra_args", ""),
)


def parameters(program: Program) -> dict[str, Parameter]:
    """All parameters of an FVP by name."""
    macs = Parameter("ethosu.num_macs", program.default_macs, program.macs, used=True)
    return {one.name: one for one in (*_FIXED, macs, *_consoles())}


def _consoles() -> Iterator[Parameter]:
    for i in range(6):
        uart, terminal = f"mps3_board.uart{i}", f"mps3_board.telnetterminal{i}"
        served = i < UARTS
        yield Parameter(f"{uart}.out_file", "", () if served else ("",), used=served)
        yield Parameter(f"{uart}.in_file", "", ("",))
        yield Parameter(f"{uart}.unbuffered_output", False)
        yield Parameter(f"{uart}.untimed_fifos", False)
        yield Parameter(f"{uart}.shutdown_on_eot", False, () if served else (False,), used=served)
        yield Parameter(f"{uart}.shutdown_tag", "", () if served else ("",), used=served)
        yield Parameter(f"{terminal}.start_telnet", True)
        yield Parameter(f"{terminal}.start_port", 5000 + i)
        yield Parameter(f"{terminal}.mode", "telnet")
        yield Parameter(f"{terminal}.quiet", False)


def values(program_name: str, settings: Mapping[str, str]) -> dict[str, Value]:
    """The value of every parameter.

    settings: the text of each that was set, by name; the last one of the command line.
    raises:   UsageError for an unknown name, and for a value that it does not have or that QEMU cannot be.
    """
    known = parameters(PROGRAMS[program_name])
    found: dict[str, Value] = {one.name: one.default for one in known.values()}
    for name, text in settings.items():
        if name not in known:
            raise UsageError(
                f"{program_name}: -C: got {name}, wanted a parameter of this FVP{_closest(name, known)}\n"
                f"    {program_name} --list-params prints those that its stand-in knows"
            )
        found[name] = _value(program_name, known[name], unquoted(text))
    _check_texts(program_name, found)
    return found


def unquoted(text: str) -> str:
    """The text without the quotes that a caller without a shell passes on: '-' for -."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _closest(name: str, known: Mapping[str, Parameter]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f", as {close[0]}" if close else ""


def _value(program_name: str, parameter: Parameter, text: str) -> Value:
    value: Value | None = text
    if isinstance(parameter.default, bool):
        value = True if text.lower() in _TRUE else False if text.lower() in _FALSE else None
    elif isinstance(parameter.default, int):
        try:
            value = int(text, 0)
        except ValueError:
            value = None
    allowed = ", ".join(_shown(one) for one in parameter.only)
    if value is None or (parameter.only and value not in parameter.only):
        raise UsageError(
            f"{program_name}: {parameter.name}: got {text or 'nothing'}, wanted {allowed or parameter.kind}"
            + ("\n    that is what QEMU's machine mps3-an547 is" if parameter.only and value is not None else "")
        )
    return value


def _check_texts(program_name: str, found: Mapping[str, Value]) -> None:
    command_line = str(found["cpu0.semihosting-cmd_line"])
    if len(command_line.encode()) > COMMAND_LINE_BYTES:
        raise UsageError(
            f"{program_name}: cpu0.semihosting-cmd_line: got {len(command_line.encode())} bytes, wanted at most "
            f"{COMMAND_LINE_BYTES}\n    the FVP cuts the rest off"
        )
    for word in str(found["ethosu.extra_args"]).split():
        if word not in _NPU_ARGUMENTS:
            raise UsageError(
                f"{program_name}: ethosu.extra_args: got {word}, wanted {', '.join(_NPU_ARGUMENTS)}\n"
                "    the NPU beside QEMU has no trace and no timing adapters"
            )


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:#x}" if isinstance(value, int) and value > 0xFFFF else str(value) or "nothing"


def listing(program: Program) -> str:
    """All parameters as `--list-params` prints them: name, default, and what the stand-in does with it."""
    lines = []
    for one in parameters(program).values():
        shown = f'"{one.default}"' if isinstance(one.default, str) else _shown(one.default)
        only = f"only {', '.join(_shown(value) for value in one.only)}" if one.only else "any value"
        lines.append(f"{one.name}={shown}  # {only}{'' if one.used else ', changes nothing here'}")
    return "\n".join(lines)
