"""A board as data: CPU, memory map, placement, NPU, UART, simulators. etbuild.hardware.boards reads it from YAML.

Each key of a board's file is one field, with its description and limits: see etbuild.config.setting.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.config.diagnostics import one_of
from etbuild.config.setting import Bytes, section, setting, settings_of
from etbuild.hardware.board_console import CLOCKS, Loader, Uart
from etbuild.hardware.board_npu import ADDRESSES, FAMILY, NpuPort
from etbuild.hardware.deploy_sections import Deploy

# The folder of the boards that come with etbuild.
BOARDS = PACKAGE / "hardware" / "boards"

_CORE_FLAGS = {
    "cortex-m33": ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "cortex-m55": ("-mcpu=cortex-m55", "-mfloat-abi=hard", "-mfpu=auto"),
    # GCC 12 of Debian does not know cortex-m85, which runs code for cortex-m55.
    "cortex-m85": ("-mcpu=cortex-m55", "-mfloat-abi=hard", "-mfpu=auto"),
}
# Names that reach C++ sources and command lines: nothing that a compiler, a linker or a simulator would interpret.
NAME = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
_INIT = r"^(<[A-Za-z0-9._-]+\.(c|cc)>|[^<>\x00-\x1f\x7f]+\.(c|cc|cpp|cxx|S|h|hpp))$"


@section(
    "",
    "The processor that runs the firmware.",
    examples=[{"core": "cortex-m55", "clock_hz": 25000000, "cache_line": 32, "counter": "dwt"}],
)
@dataclass(frozen=True)
class Cpu:
    """The processor. cache_line: bytes."""

    core: str = setting("Its kind, which gives the compiler's flags.", examples=["cortex-m55"], enum=[*_CORE_FLAGS])
    clock_hz: int = setting("Clock of the core, and of its SysTick. Unit: Hz.", **CLOCKS)
    cache_line: int = setting(
        "Line of its data cache; 0 when it has none. Unit: bytes.", examples=[32], enum=[0, 16, 32, 64]
    )
    counter: str = setting(
        "What counts time: dwt, the core's cycle counter, or systick where it has none.",
        examples=["dwt"],
        enum=["dwt", "systick"],
    )

    @property
    def flags(self) -> tuple[str, ...]:
        """The compiler flags for this core."""
        return ("-mthumb", *_CORE_FLAGS[self.core])


@section("", "One region.")
@dataclass(frozen=True)
class Region:
    """A region of memory. address, size: bytes. npu: whether the NPU can access it."""

    name: str
    address: int = setting("Where it starts, as the CPU sees it. Unit: bytes.", examples=[0x31000000], **ADDRESSES)
    size: Bytes = setting("How large it is. Unit: bytes, or text with KiB or MiB.", examples=["2 MiB"])
    npu: bool = setting("Whether the NPU can reach it.", True, examples=[False])
    npu_address: int | None = setting(
        "Where it starts as the NPU sees it, if not where the CPU does (a TCM by its alias). Unit: bytes.",
        None,
        examples=[0x50800000],
        **ADDRESSES,
    )
    cacheable: bool = setting(
        "Whether the CPU's data cache can hold lines of it that differ from it when the NPU accesses it; false for a"
        " TCM, for memory that is not cached, and for memory that nothing writes (flash). No cache maintenance is then"
        " done for it.",
        True,
        examples=[False],
    )

    @property
    def end(self) -> int:
        """The address after its last byte."""
        return self.address + self.size


def _region(content: str, example: str) -> Any:
    return setting(f"Region {content}. One of the names in `memory`.", examples=[example])


@section(
    "",
    "Which region holds what.",
    examples=[
        {
            "code": "itcm",
            "data": "dtcm",
            "stack": "dtcm",
            "model": "ddr",
            "vectors": "ddr",
            "arena": "sram",
            "scratch": "sram",
            "fast_scratch": "sram",
        }
    ],
)
@dataclass(frozen=True)
class Placement:
    """The region of each part of the firmware. scratch, fast_scratch: regions 1 and 2 of the NPU's command stream."""

    code: str = _region("of vectors, code and constants; the CPU takes its vector table from its start", "itcm")
    data: str = _region("of variables", "dtcm")
    stack: str = _region("of the stack", "dtcm")
    model: str = _region("of the .pte, which the NPU reads its weights and commands from", "ddr")
    vectors: str = _region("of the test vectors", "ddr")
    arena: str = _region("of what a loaded model keeps and of its planned buffers", "sram")
    scratch: str = _region("of what the NPU works in (region 1 of its command stream)", "sram")
    fast_scratch: str = _region("of the NPU's fast scratch (region 2 of its command stream)", "sram")
    memory_modes: Mapping[str, PlacementChange] = setting(
        "What differs for a memory mode of the target; Dedicated_Sram applies to its sizes too (Dedicated_Sram_384KB).",
        dict,
        examples=[{"Dedicated_Sram": {"arena": "ddr", "scratch": "ddr"}}],
    )


def _optional(part: str) -> Any:
    """The setting of Placement for this part, with None as default."""
    declared = next(declared for field, declared in settings_of(Placement) if field.name == part)
    return dataclasses.field(default=None, metadata={"setting": declared})


@section("", "Differences of one mode.", required=[])
@dataclass(frozen=True)
class PlacementChange:
    """The regions of one memory mode that differ from the board's placement; None for those that do not."""

    arena: str | None = _optional("arena")
    scratch: str | None = _optional("scratch")
    fast_scratch: str | None = _optional("fast_scratch")
    model: str | None = _optional("model")

    @property
    def regions(self) -> dict[str, Any]:
        """The regions that differ, by part."""
        return {part: region for part, region in vars(self).items() if region is not None}


@section("", "QEMU's system emulator for Arm.", examples=[{"machine": "mps3-an547"}])
@dataclass(frozen=True)
class Qemu:
    """The board in QEMU."""

    machine: str = setting(
        "Name of QEMU's machine.",
        examples=["mps3-an547"],
        pattern=NAME,
        wanted="the name of a machine: letters, digits, dots, hyphens and underscores",
    )
    at_entry: bool = setting(
        "Whether the processor starts at the ELF file's entry, because the machine has its vector table elsewhere than"
        " the board.",
        False,
        examples=[True],
    )


@section(
    "",
    "An Arm Fixed Virtual Platform.",
    examples=[{"programs": {"u85": "FVP_Corstone_SSE-320"}, "npu": "ethosu", "cpu": "cpu0", "uart": "uart0"}],
)
@dataclass(frozen=True)
class Fvp:
    """The board as an FVP. programs: by family of NPU. npu, cpu, uart: the names of instances in the model."""

    programs: Mapping[str, str] = setting(
        "Program by family of NPU.", examples=[{"u85": "FVP_Corstone_SSE-320"}], propertyNames=FAMILY, minProperties=1
    )
    npu: str = setting("Instance of the NPU in the model.", examples=["ethosu"])
    cpu: str = setting("Instance of the CPU in the model.", examples=["cpu0"])
    uart: str = setting("Instance of the UART in the model.", "", examples=["mps3_board.uart0"])
    parameters: Mapping[str, int | str | bool] = setting(
        "Further parameters of the model, given by -C.",
        dict,
        examples=[{"mps3_board.telnetterminal0.start_telnet": 0}],
    )

    @property
    def parameter_texts(self) -> tuple[tuple[str, str], ...]:
        """The parameters with their values as the option -C takes them: 1 for true."""
        return tuple(
            (name, str(int(value)) if isinstance(value, bool) else str(value))
            for name, value in self.parameters.items()
        )


@section("", "What can run the firmware on a desk.", required=[], examples=[{"qemu": {"machine": "mps3-an547"}}])
@dataclass(frozen=True)
class Simulators:
    """The simulators of a board; None for one that does not exist."""

    qemu: Qemu | None = setting("", None)
    fvp: Fvp | None = setting("", None)


@section(
    "board",
    "Where firmware runs: CPU, memory map, what goes where, NPU, UART and simulators. The linker script, the C++ header"
    " and the simulators' arguments are made from it.",
    title="etbuild board",
)
@dataclass(frozen=True)
class Board:
    """One board.

    name:  the name of its file without .yaml.
    file:  its file as messages name it.
    bases: the files that it extends, as messages name them.
    lines: the content of the files, merged and without comments, `key: value` with the value in JSON.
    """

    name: str
    file: Path
    title: str = setting("Name for people.", examples=["Arm Corstone-300"], minLength=1, maxLength=80)
    cpu: Cpu = setting("")
    memory: tuple[Region, ...] = setting(
        "Regions of memory by name, none overlapping another.",
        examples=[{"sram": {"address": 0x31000000, "size": "2 MiB"}}],
        by_name=True,
        minProperties=1,
        propertyNames={"pattern": "^[a-z][a-z0-9_]*$"},
    )
    placement: Placement = setting("")
    stack_size: Bytes = setting(
        "Size of the stack; the CPU stops with a message when it is not enough. Unit: bytes, or text with KiB or MiB.",
        examples=["16 KiB"],
    )
    npu: NpuPort = setting("")
    uart: Uart | None = setting("", None)
    init: tuple[str, ...] = setting(
        "Sources of clocks, power, pins and MPU, relative to this file: C or C++, and the headers that they include."
        " One of them defines `void etb_board_init(void)` (port/board_init.h). <name> is one that comes with etbuild.",
        (),
        examples=[["my-board.c"]],
        minItems=1,
        uniqueItems=True,
        items={"type": "string", "pattern": _INIT},
    )
    loader: Loader | None = setting("", None)
    semihosting: bool = setting(
        "Whether a debugger or simulator is there that takes the exit code; without one the firmware stops in a loop at"
        " its end.",
        False,
        examples=[True],
    )
    bin_alignment: int = setting(
        "The size of firmware.bin is a multiple of this, as a programmer of flash may want; it is padded with zeros."
        " Unit: bytes.",
        1,
        examples=[16],
        enum=[1, 4, 8, 16, 32, 64, 128, 256, 512],
    )
    simulators: Simulators = setting("", Simulators)
    deploy: Deploy | None = setting("", None)
    extends: str = setting(
        "A board that comes with etbuild, or the path of a board's file: this file has what differs from it. Mappings"
        " are merged, other values replaced, and null deletes a key.",
        "",
        examples=["corstone-300"],
    )
    bases: tuple[Path, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def init_files(self) -> tuple[Path, ...]:
        """The files of `init`: paths like that of `file`, of shipped ones absolute."""
        return tuple(
            BOARDS.with_name("board_init") / text[1:-1] if text.startswith("<") else self.file.parent / text
            for text in self.init
        )

    @property
    def console(self) -> str:
        """What it prints to: the name of runtime/port/cortex_m/console_<console>.cc."""
        return self.uart.kind.removeprefix("remoteproc-") if self.uart else "semihosting"

    @property
    def is_of_user(self) -> bool:
        """Whether its file is not one of those that come with etbuild."""
        return self.file.parent != BOARDS

    @property
    def argument(self) -> str:
        """What `boards.board_of` finds it by: a user's file, or the name of a shipped board."""
        return str(self.file) if self.is_of_user else self.name

    @property
    def vector_alignment(self) -> int:
        """What the address of the vector table is a multiple of, so that VTOR can hold it, in bytes."""
        entries = 16 + self.npu.interrupt + 1
        return max(128, 1 << (4 * entries - 1).bit_length())

    @property
    def user_files(self) -> tuple[Path, ...]:
        """Its file and those that it extends, without the ones that come with etbuild."""
        return tuple(file for file in (self.file, *self.bases) if file.parent != BOARDS)

    @property
    def lines_of_image(self) -> tuple[str, ...]:
        """Those of `lines` that its firmware is made from: not how it gets onto the board."""
        return tuple(line for line in self.lines if not line.startswith("deploy:"))

    @property
    def qemu(self) -> str:
        """The machine of QEMU, "" when there is none."""
        return self.simulators.qemu.machine if self.simulators.qemu else ""

    @property
    def starts_at_entry(self) -> bool:
        """Whether QEMU's processor starts at the ELF file's entry, not at the machine's vector table."""
        return self.simulators.qemu is not None and self.simulators.qemu.at_entry

    @property
    def fvp(self) -> Fvp | None:
        """The FVP, if there is one."""
        return self.simulators.fvp

    def region(self, name: str) -> Region:
        """raises: StopIteration when there is none of that name."""
        return next(region for region in self.memory if region.name == name)

    def placement_for(self, memory_mode: str) -> Placement:
        """The placement for a memory mode of a target; an entry Dedicated_Sram applies to Dedicated_Sram_384KB too."""
        general = re.sub(r"_\d+[KM]B$", "", memory_mode)
        modes = self.placement.memory_modes
        change = modes.get(memory_mode) or modes.get(general)
        return replace(self.placement, **change.regions) if change else self.placement

    def incompatibility(self, family: str, macs: int) -> str:
        """Why the NPU of this board cannot run a target, or ""."""
        if family not in self.npu.families:
            return f"{self.title} has {one_of(f'Ethos-{name.upper()}' for name in self.npu.families)}"
        if self.npu.macs and macs not in self.npu.macs:
            return f"the NPU of {self.title} has {one_of(self.npu.macs)} multiply-accumulates"
        return ""
