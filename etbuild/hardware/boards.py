"""A board as data, read from YAML and checked: CPU, memory map, what goes where, NPU, UART, simulators.

It knows no recipe; `etbuild.firmware.board_files` makes linker scripts and headers from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etbuild import PACKAGE
from etbuild.config.diagnostics import Diagnostics, KeyPath, did_you_mean, one_of, quoted
from etbuild.errors import Problem, RecipeError
from etbuild.system.sizes import parse_size

BOARDS = PACKAGE / "hardware" / "boards"

_CORE_FLAGS = {
    "cortex-m33": ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "cortex-m55": ("-mcpu=cortex-m55", "-mfloat-abi=hard", "-mfpu=auto"),
    # Debian's GCC 12 does not know cortex-m85, which runs what is compiled for cortex-m55.
    "cortex-m85": ("-mcpu=cortex-m55", "-mfloat-abi=hard", "-mfpu=auto"),
}


@dataclass(frozen=True)
class Cpu:
    """cache_line: bytes, 0 without a data cache. counter: what counts time, dwt or systick."""

    core: str
    clock_hz: int
    cache_line: int
    counter: str

    @property
    def flags(self) -> tuple[str, ...]:
        """The compiler's flags for it."""
        return ("-mthumb", *_CORE_FLAGS[self.core])


@dataclass(frozen=True)
class Region:
    """address and size: bytes, as the CPU and the NPU see them. npu: whether the NPU can reach it."""

    name: str
    address: int
    size: int
    npu: bool = True

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class Placement:
    """The region of each part. scratch, fast_scratch: regions 1 and 2 of the NPU's command stream."""

    code: str
    data: str
    stack: str
    vectors: str
    model: str
    arena: str
    scratch: str
    fast_scratch: str


@dataclass(frozen=True)
class NpuPort:
    """driver: ethosu (registers at `address`) or emulator. macs: those of fixed hardware, () when any."""

    driver: str
    families: tuple[str, ...]
    address: int = 0
    interrupt: int = 0
    macs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Uart:
    kind: str
    address: int
    clock_hz: int
    baud: int


@dataclass(frozen=True)
class Fvp:
    """programs: by family of NPU. npu, cpu, uart: instances in the model. parameters: further ones, for -C."""

    programs: Mapping[str, str]
    npu: str
    cpu: str
    uart: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Board:
    """name: the file's name without .yaml. file: as the recipe's messages call it. memory_modes: the placement of
    each mode that differs; `placement_for` finds the right one. qemu: QEMU's machine, "" where it has none."""

    name: str
    file: Path
    title: str
    cpu: Cpu
    memory: tuple[Region, ...]
    placement: Placement
    memory_modes: Mapping[str, Placement]
    stack_bytes: int
    npu: NpuPort
    uart: Uart | None
    semihosting: bool
    qemu: str
    fvp: Fvp | None

    @property
    def is_of_user(self) -> bool:
        """Whether its file is not one of those that come with etbuild."""
        return self.file.parent != BOARDS

    def region(self, name: str) -> Region:
        return next(region for region in self.memory if region.name == name)

    def placement_for(self, memory_mode: str) -> Placement:
        """What goes where for a target; Dedicated_Sram stands for Dedicated_Sram_384KB too."""
        family = re.sub(r"_\d+[KM]B$", "", memory_mode)
        return self.memory_modes.get(memory_mode) or self.memory_modes.get(family) or self.placement

    def incompatibility(self, family: str, macs: int) -> str:
        """Why the NPU of this board cannot run a target, or ""."""
        if family not in self.npu.families:
            return f"{self.title} has {one_of(f'Ethos-{name.upper()}' for name in self.npu.families)}"
        if self.npu.macs and macs not in self.npu.macs:
            return f"the NPU of {self.title} has {one_of(self.npu.macs)} multiply-accumulates"
        return ""


def board_names() -> tuple[str, ...]:
    """The boards that come with etbuild."""
    return tuple(sorted(file.stem for file in BOARDS.glob("*.yaml")))


def board_file(name: str) -> Path | None:
    """The file of a board that comes with etbuild; None when there is none of that name."""
    return BOARDS / f"{name}.yaml" if name in board_names() else None


def load_board(file: Path, shown: Path | None = None) -> Board:
    """The board in a file.

    shown:  how messages name the file.
    raises: RecipeError with every problem of it.
    """
    from etbuild.config import validate, yaml_tree
    from etbuild.config.schemas import schema_file

    shown = shown or file
    diagnostics = Diagnostics()
    try:
        data = file.read_bytes()
    except OSError as error:
        wanted = f"a board: {one_of(board_names())}, or a file"
        problem = Problem(str(shown), "", error.strerror or str(error), wanted, did_you_mean(file.stem, board_names()))
        raise RecipeError([problem]) from None
    root = yaml_tree.read(data, shown, diagnostics)
    if isinstance(root, yaml_tree.MapNode):
        bad = validate.check(root, schema_file("board"), diagnostics)
        if not bad and not diagnostics.sorted([shown]):
            board = _board(shown, yaml_tree.plain(root))
            for path, got, wanted, remedy in _contradictions(board):
                diagnostics.add(_location(root, path), path, got, wanted, remedy)
            diagnostics.check([shown])
            return board
    elif root is not None:
        diagnostics.add(root.location, (), yaml_tree.described(root), "a mapping")
    diagnostics.check([shown])
    raise RecipeError([Problem(str(shown), "", "an empty file", "a board")])


def _location(root: Any, path: KeyPath) -> Any:
    """Where the value of a path stands, or the nearest that holds it."""
    from etbuild.config.yaml_tree import MapNode

    location, node = root.location, root
    for key in path:
        if not isinstance(node, MapNode) or key not in node.entries:
            break
        location, node = node.entries[str(key)].message_location, node.entries[str(key)].node
    return location


def _board(file: Path, data: Mapping[str, Any]) -> Board:
    placement = {key: value for key, value in data["placement"].items() if key != "memory_modes"}
    usual = Placement(**placement)
    uart, simulators = data.get("uart"), data.get("simulators", {})
    npu = data["npu"]
    return Board(
        name=file.stem,
        file=file,
        title=data["title"],
        cpu=Cpu(**data["cpu"]),
        memory=tuple(
            Region(name, row["address"], _size(row["size"]), row.get("npu", True))
            for name, row in data["memory"].items()
        ),
        placement=usual,
        memory_modes={
            mode: replace(usual, **changes) for mode, changes in data["placement"].get("memory_modes", {}).items()
        },
        stack_bytes=_size(data["stack_size"]),
        npu=NpuPort(
            npu["driver"],
            tuple(npu["families"]),
            npu.get("address", 0),
            npu.get("interrupt", 0),
            tuple(npu.get("macs", ())),
        ),
        uart=Uart(**uart) if uart else None,
        semihosting=data.get("semihosting", False),
        qemu=simulators.get("qemu", {}).get("machine", ""),
        fvp=_fvp(simulators["fvp"]) if "fvp" in simulators else None,
    )


def _fvp(data: Mapping[str, Any]) -> Fvp:
    parameters = tuple((key, _parameter(value)) for key, value in data.get("parameters", {}).items())
    return Fvp(dict(data["programs"]), data["npu"], data["cpu"], data.get("uart", ""), parameters)


def _parameter(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _size(value: str | int) -> int:
    """Bytes of "512 KiB", or of a number. The schema allows nothing else."""
    size = value if isinstance(value, int) else parse_size(value)
    assert size is not None, "the schema checks the form"
    return size


def _contradictions(board: Board) -> Iterator[tuple[KeyPath, str, str, str]]:
    """What no schema can say: path, got, wanted, remedy."""
    names = [region.name for region in board.memory]
    for region in board.memory:
        if region.end > 2**32:
            yield ("memory", region.name, "size"), f"an end at {region.end:#x}", "at most 0x100000000", ""
        for other in board.memory:
            if region.address < other.address < region.end:
                got = f"{other.address:#010x}, inside {region.name}"
                yield ("memory", other.name, "address"), got, "regions that do not overlap", ""
    places: dict[KeyPath, Placement] = {("placement",): board.placement}
    places |= {("placement", "memory_modes", mode): place for mode, place in board.memory_modes.items()}
    for path, placement in places.items():
        for part, name in vars(placement).items():
            if placement is not board.placement and name == getattr(board.placement, part):
                continue
            if name not in names:
                yield (*path, part), quoted(name), one_of(names), did_you_mean(name, names)
            elif part in ("model", "scratch", "fast_scratch") and not board.region(name).npu:
                yield (*path, part), quoted(name), "a region that the NPU can reach", f"{name} has npu: false"
    if board.npu.driver == "ethosu" and not board.npu.address:
        yield ("npu", "driver"), "ethosu without an address", "npu.address and npu.interrupt beside it", ""
    if board.npu.driver == "emulator" and board.npu.address:
        yield ("npu", "address"), f"{board.npu.address:#x}", "nothing: the NPU is software", ""
    if board.uart is None and not board.semihosting:
        yield ("semihosting",), "no uart and no semihosting", "one of them, to print results", ""
