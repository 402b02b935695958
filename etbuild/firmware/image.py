"""Builds a firmware image: generates sources, compiles, links, and writes the image's files. It does not run it.

Objects are cached by content, see `toolchain`: the firmware of another model mostly needs a link only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild import RUNTIME
from etbuild.errors import StepError
from etbuild.firmware import board_files, executorch_engine, planned_buffers, sizes, user_kernels
from etbuild.firmware.board_sources import LINK, board_units, include_folders
from etbuild.firmware.core_driver import find_core_driver
from etbuild.firmware.dtypes import called_types, definitions
from etbuild.firmware.elf_segments import check_loadable
from etbuild.firmware.executorch_sources import find_source
from etbuild.firmware.image_check import check_start
from etbuild.firmware.npu_settings import driver_definitions, settings_source
from etbuild.firmware.select_sources import (
    Needs,
    Selection,
    console_source,
    kernel_places,
    select,
    selection_source,
)
from etbuild.firmware.toolchain import Compilation, Object, Toolchain, run_tool
from etbuild.firmware.vectors import vector_block
from etbuild.pte.element_types import needs_all_types
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read

if TYPE_CHECKING:
    from etbuild.hardware.board import Board, Region

# The files of the package, besides Python, that a firmware depends on.
SOURCES = (
    "hardware/board_init",
    "runtime/app",
    "runtime/base",
    "runtime/exec",
    "runtime/executorch",
    "runtime/kernels",
    "runtime/npu",
    "runtime/port/cortex_m",
    "runtime/port/board_init.h",
    "runtime/port/port.h",
    "runtime/pte",
)

# Of every source of a firmware, after those of the CPU.
COMPILER_FLAGS = (
    *("-std=c++17", "-Os", "-g", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-rtti"),
    *("-fno-threadsafe-statics", "-fno-use-cxa-atexit", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    # No fused multiply-add: a float result must not depend on whether the CPU has one.
    *("-ffp-contract=off", "-DETB_TEXTS_BESIDE", "--specs=nano.specs"),
    *("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
)
# In addition, of every source of a firmware for a program that `needs_all_types`.
ALL_TYPES = ("-DETB_WIDE",)
# In addition, of the main program of a firmware that prints its `events`.
EVENTS = ("-DETB_EVENTS",)
# In addition, of that for a program with several methods.
METHODS = ("-DETB_METHODS",)
# In addition, of that with planned buffers outside of the arena.
PLACED_BUFFERS = ("-DETB_PLACED_BUFFERS",)
# The hot loops of the NPU emulator. QEMU runs vector code slower than scalar code.
_HOT = dict.fromkeys(("npu/mac.cc", "npu/mlw.cc"), ("-O2", "-fno-tree-vectorize"))
# No firmware is given a .ptd file.
_NO_DATA_FILE = dict.fromkeys(("exec/load.cc", "exec/ethosu.cc"), ("-DETB_DATA_FILES=0",))
_LINK = (
    *("-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-Map=firmware.map"),
    # A warning of the linker is about an image that cannot run, such as one without its entry.
    *("-Wl,--no-warn-rwx-segments", "-Wl,--fatal-warnings"),
)
_LIBRARIES = ("-Wl,--start-group", "-lm", "-lc_nano", "-lgcc", "-Wl,--end-group")
# Assembler source that includes the model and the test vectors.
_BLOBS = """\
    .section .model, "a", %progbits
    .incbin "model.pte"
    .section .test_vectors, "a", %progbits
    .incbin "vectors.bin"
"""


@dataclass(frozen=True)
class ImageSpec:
    """What an image is built from.

    vectors: golden.npz; of a program with several methods the folder with one a method.
    driver:  ethosu or emulator.
    npu:     ethos-u55-128..., "" for none.
    engine:  etbuild or executorch.
    prefix, source: of ExecuTorch, as the recipe has them, for engine executorch.
    npu_timeout_s: of one job of the NPU; None for the board's.
    kernels: C++ files of the user.
    events: whether it prints what every instruction took and left.
    planned:       region of planned buffers by memory id, where the recipe says it; engine etbuild only.
    """

    board: Board
    pte: Path
    manifest: Path
    vectors: Path
    driver: str
    npu: str
    memory_mode: str
    stack_bytes: int
    engine: str
    prefix: Path | None
    npu_timeout_s: float | None = None
    source: Path | None = None
    kernels: tuple[Path, ...] = ()
    events: bool = False
    planned: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Firmware:
    """A firmware while it is built. work: folder for its generated and intermediate files. npu_timeout_s: of a job."""

    board: Board
    layout: board_files.Layout
    needs: Needs
    selection: Selection
    work: Path
    npu_timeout_s: float

    @property
    def npu_settings(self) -> str:
        """The generated source with the register settings of the board's NPU."""
        return settings_source(self.board, self.needs.family, self.needs.mode, self.npu_timeout_s)

    @property
    def toolchain(self) -> Toolchain:
        """The compiler with the include path of this firmware."""
        own = (("generated", self.work / "generated"), ("runtime", RUNTIME))
        return Toolchain((*own, *include_folders(self.board), *user_kernels.include_folders(self.selection.own)))

    def _own_flags(self) -> dict[str, tuple[str, ...]]:
        """The flags of single sources, in addition to those of all."""
        scalars = f"-DETB_SCALAR_INPUTS={int(self.needs.scalars)}"
        parts = {EVENTS: self.needs.events, METHODS: self.needs.methods, PLACED_BUFFERS: bool(self.layout.buffers)}
        main = tuple(flag for flags, given in parts.items() if given for flag in flags)
        own = {**_HOT, **_NO_DATA_FILE, "exec/method.cc": (scalars,), **({"app/main.cc": main} if main else {})}
        if self.needs.types:
            files = {name: file for name, (_, file) in kernel_places().items()}
            options = definitions(dict(self.needs.types), files, self.selection.sources)
            own |= {name: (*own.get(name, ()), option) for name, option in options.items()}
        return own

    @property
    def units(self) -> list[Compilation]:
        """The sources to compile; none for engine executorch."""
        if not self.selection.sources:
            return []
        flags = (*self.board.cpu.flags, *COMPILER_FLAGS, *(ALL_TYPES if self.needs.all_types else ()))
        own = self._own_flags()
        units = [
            Compilation(name.removesuffix(".cc"), RUNTIME / name, (*flags, *own.get(name, ())))
            for name in self.selection.sources
        ]
        names = ["selection", *(["planned"] if self.layout.buffers else [])]
        generated = [Compilation(name, self.work / f"generated/{name}.cc", flags) for name in names]
        return [*units, *user_kernels.units(self.selection.own, flags), *generated, *board_units(self.board)]


def build_image(spec: ImageSpec, output: Path) -> str:
    """Build an image in ./work and move it to a folder.

    output: folder for firmware.elf, .bin, .hex, .map, sizes.json, and firmware/ with the generated sources.
    return: its sizes in one line.
    raises: StepError when it does not fit the board or does not compile; MissingTool without compiler or prefix.
    """
    board = spec.board
    manifest = json.loads(spec.manifest.read_text(encoding="utf-8"))
    vectors = vector_block(spec.pte, spec.vectors)
    work = Path("work").absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "generated").mkdir(parents=True)
    placement = board.placement_for(spec.memory_mode)
    own = spec.engine == "etbuild"
    planned_bytes = manifest["memory"]["planned_bytes"] if own else ()
    buffers = planned_buffers.placed_buffers(placement, planned_bytes, dict(spec.planned))
    fast_scratch_bytes = manifest["memory"]["fast_scratch_bytes"]
    layout = board_files.Layout(board, placement, spec.stack_bytes, fast_scratch_bytes, buffers)
    needs = needs_of(spec.pte, spec.driver, spec.npu, spec.memory_mode)
    needs = replace(needs, console=board.console, own=spec.kernels, events=spec.events)
    limit_s = spec.npu_timeout_s or board.npu.timeout_s
    firmware = Firmware(board, layout, needs, select(needs) if own else Selection((), ()), work, limit_s)
    parts = sizes.known_parts(placement, spec.stack_bytes, len(vectors), manifest, buffers)
    if problem := sizes.misfit(board, parts):
        raise StepError(f"{spec.pte}: does not fit on {board.title}\n{problem}")
    _generate(firmware, own)
    (work / "vectors.bin").write_bytes(vectors)
    shutil.copyfile(spec.pte, work / "model.pte")
    objects = firmware.toolchain.compile(firmware.units) if own else ()
    with _overflow_explained(firmware, parts, spec.pte, "" if own or spec.source else executorch_engine.ALL_OPERATORS):
        _link(firmware, objects) if own else _link_executorch(firmware, spec)
    sections = sizes.read_map((work / "firmware.map").read_text())
    _convert(work, sections, board.region(placement.code), board.bin_alignment)
    check_start(sections, work / "firmware.bin", board.vector_alignment)
    if board.loader:
        check_loadable(work / "firmware.elf", board.loader)
    usage = "".join(one.stack_usage.read_text() for one in objects)
    _write_outputs(firmware, sections, usage, output)
    return sizes.linked_text(sections)


def needs_of(pte: Path, driver: str, npu: str, memory_mode: str) -> Needs:
    """What a .pte needs from its firmware. driver, npu, memory_mode: as in ImageSpec and Target."""
    methods = read(pte).methods
    operators = {str(one.operators[call.operator]) for one in methods for call in one.kernel_calls()}
    scalars = any(not isinstance(one.values[index], Tensor) for one in methods for index in one.inputs)
    types = called_types(*methods)
    used = (driver, npu.split("-")[1], memory_mode) if any(one.delegates for one in methods) else ("", "", "")
    needs = Needs(tuple(sorted(operators)), *used, scalars, any(map(needs_all_types, methods)))
    return replace(needs, methods=len(methods) > 1, types=tuple(sorted(types.items())))


def _generate(firmware: Firmware, own: bool) -> None:
    """Write the generated sources. own: for engine etbuild."""
    generated = firmware.work / "generated"
    (generated / "board.h").write_text(board_files.header(firmware.board))
    if own:
        settings = firmware.npu_settings if firmware.needs.npu == "ethosu" else ""
        if firmware.layout.buffers:
            (generated / "planned.cc").write_text(planned_buffers.source(firmware.layout.buffers))
        (generated / "selection.cc").write_text(selection_source(firmware.needs, firmware.selection, settings))
    elif firmware.needs.npu:
        source = f'#include "npu/ethosu.h"\nnamespace etb::port {{\n{firmware.npu_settings}}}\n'
        (generated / "npu_settings.cc").write_text(source)
    (generated / "firmware.ld").write_text(board_files.linker_script(firmware.layout))
    (firmware.work / "blobs.S").write_text(_BLOBS)


@contextmanager
def _overflow_explained(firmware: Firmware, parts: Sequence[sizes.Part], pte: Path, remedy: str) -> Iterator[None]:
    """Turn the linker's error about a region that overflows into a table of what is in it. remedy: lines after it."""
    try:
        yield
    except StepError as error:
        problem = sizes.overflow(firmware.board, parts, str(error))
        if not problem:
            raise
        raise StepError(f"{pte}: does not fit on {firmware.board.title}\n{problem}{remedy}") from None


def _link(firmware: Firmware, objects: Sequence[Object]) -> None:
    """Link firmware.elf and firmware.map in the working folder; all paths in them are relative to it."""
    names = []
    for one in objects:
        name = Path("objects") / f"{one.name}.o"
        (firmware.work / name).parent.mkdir(parents=True, exist_ok=True)
        (firmware.work / name).symlink_to(one.object)
        names.append(str(name))
    board = firmware.board
    flags = (*board.cpu.flags, *_LINK, *(LINK if board.init else ()), "-T", "generated/firmware.ld")
    here = Path.cwd()
    os.chdir(firmware.work)
    try:
        run_tool(["arm-none-eabi-g++", *board.cpu.flags, "-c", "blobs.S", "-o", "objects/blobs.o"])
        run_tool(["arm-none-eabi-g++", *flags, "objects/blobs.o", *names, *_LIBRARIES, "-o", "firmware.elf"])
    finally:
        os.chdir(here)


def _link_executorch(firmware: Firmware, spec: ImageSpec) -> None:
    prefix = executorch_engine.find_prefix(spec.prefix)
    needs, flags = firmware.needs, firmware.board.cpu.flags
    driver = None
    if needs.npu:
        definitions = driver_definitions(firmware.board, needs.family, needs.mode)
        driver = find_core_driver(prefix, spec.npu, definitions)
    sources = (console_source(firmware.board), *firmware.board.init_files)
    source = find_source(spec.source) if spec.source else None
    called = flags, needs.operators, bool(needs.npu)
    executorch_engine.link(executorch_engine.Build(prefix, source, firmware.work, *called, sources, driver))


def _convert(work: Path, sections: Sequence[sizes.Section], code: Region, alignment: int) -> None:
    """Write firmware.hex with all loaded sections, and firmware.bin with those that are stored in the code's region.

    alignment: what the size of firmware.bin is a multiple of, in bytes.
    """
    elf, binary = str(work / "firmware.elf"), work / "firmware.bin"
    run_tool(["arm-none-eabi-objcopy", "-O", "ihex", elf, str(work / "firmware.hex")])
    stored = [one.name for one in sections if one.load is not None and code.address <= one.load < code.end]
    chosen = [text for name in stored for text in ("-j", name)]
    run_tool(["arm-none-eabi-objcopy", "-O", "binary", *chosen, elf, str(binary)])
    with binary.open("ab") as file:
        file.write(bytes(-binary.stat().st_size % alignment))


def _write_outputs(firmware: Firmware, sections: Sequence[sizes.Section], usage: str, output: Path) -> None:
    work = firmware.work
    for name in ("firmware.elf", "firmware.bin", "firmware.hex", "firmware.map"):
        shutil.move(work / name, output / name)
    figures = sizes.sizes(firmware.board, sections, usage)
    (output / "sizes.json").write_text(json.dumps(figures, indent=1) + "\n")
    shutil.rmtree(output / "firmware", ignore_errors=True)
    shutil.move(work / "generated", output / "firmware")
    (output / "firmware/compile_commands.json").write_text(json.dumps(_commands(firmware), indent=1) + "\n")
    shutil.rmtree(work)


def _commands(firmware: Firmware) -> list[dict[str, Any]]:
    """compile_commands.json without paths of this machine: RUNTIME replaces the folder of the runtime."""
    portable = Toolchain((("generated", Path()), ("runtime", Path("RUNTIME"))))
    rows = []
    for unit in firmware.units:
        inside = unit.source.is_relative_to(RUNTIME)
        source = Path("RUNTIME") / unit.source.relative_to(RUNTIME) if inside else Path(unit.source.name)
        named = Compilation(unit.name, source, unit.flags)
        rows.append({"directory": ".", "file": str(source), "arguments": portable.command(named, f"{unit.name}.o")})
    return rows
