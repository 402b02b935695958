"""A firmware image: generated sources, compiled objects, the link, and what is written from it. It runs nothing.

The runtime's objects are cached by content, so that another model costs a link.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild import RUNTIME
from etbuild.errors import StepError
from etbuild.firmware import board_files, executorch_engine, sizes
from etbuild.firmware.select_sources import Needs, Selection, select, selection_source
from etbuild.firmware.toolchain import Compilation, Object, Toolchain, run_tool
from etbuild.firmware.vectors import vector_block
from etbuild.pte.reader import read

if TYPE_CHECKING:
    from etbuild.hardware.boards import Board

# What the firmware is made from beside Python: folders of the package.
SOURCES = (
    "runtime/app",
    "runtime/base",
    "runtime/exec",
    "runtime/executorch",
    "runtime/kernels",
    "runtime/npu",
    "runtime/port/cortex_m",
    "runtime/port/port.h",
    "runtime/pte",
    "hardware/boards",
)

_FLAGS = (
    *("-std=c++17", "-Os", "-g", "-ffunction-sections", "-fdata-sections", "-fno-exceptions", "-fno-rtti"),
    *("-fno-threadsafe-statics", "-fno-use-cxa-atexit", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    # No contraction of products and sums: a float result must not depend on whether the machine can fuse them.
    *("-ffp-contract=off", "-DETB_TEXTS_BESIDE", "--specs=nano.specs"),
    *("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"),
)
# Where an emulated NPU spends its time. QEMU runs vector code slower than the same in scalars.
_HOT = dict.fromkeys(("npu/mac.cc", "npu/mlw.cc"), ("-O2", "-fno-tree-vectorize"))
_LINK = (
    *("-nostartfiles", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-Map=firmware.map"),
    "-Wl,--no-warn-rwx-segments",
)
_LIBRARIES = ("-Wl,--start-group", "-lm", "-lc_nano", "-lgcc", "-Wl,--end-group")
# The model and the vectors go in as they are.
_BLOBS = """\
    .section .model, "a", %progbits
    .incbin "model.pte"
    .section .test_vectors, "a", %progbits
    .incbin "vectors.bin"
"""


@dataclass(frozen=True)
class ImageSpec:
    """What an image is made of. driver: ethosu or emulator. npu: ethos-u55-128..., "" for none. engine: see Runtime."""

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


@dataclass(frozen=True)
class Firmware:
    """One firmware on its way. work: where it is made."""

    board: Board
    layout: board_files.Layout
    needs: Needs
    selection: Selection
    work: Path

    @property
    def toolchain(self) -> Toolchain:
        return Toolchain((("generated", self.work / "generated"), ("runtime", RUNTIME)))

    @property
    def units(self) -> list[Compilation]:
        if not self.selection.sources:
            return []
        flags = (*self.board.cpu.flags, *_FLAGS)
        units = [
            Compilation(name.removesuffix(".cc"), RUNTIME / name, (*flags, *_HOT.get(name, ())))
            for name in self.selection.sources
        ]
        return [*units, Compilation("selection", self.work / "generated/selection.cc", flags)]


def build_image(spec: ImageSpec, output: Path) -> str:
    """Build the image into a folder; its sizes in one line.

    raises: StepError when it does not fit the board, or does not compile; MissingTool.
    """
    board = spec.board
    manifest = json.loads(spec.manifest.read_text(encoding="utf-8"))
    vectors = vector_block(spec.pte, spec.vectors)
    work = Path("work").absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "generated").mkdir(parents=True)
    placement = board.placement_for(spec.memory_mode)
    layout = board_files.Layout(board, placement, spec.stack_bytes, manifest["memory"]["fast_scratch_bytes"])
    needs = needs_of(spec.pte, spec.driver, spec.npu, spec.memory_mode)
    own = spec.engine == "etbuild"
    firmware = Firmware(board, layout, needs, select(needs) if own else Selection((), ()), work)
    parts = sizes.known_parts(placement, spec.stack_bytes, len(vectors), manifest)
    if problem := sizes.misfit(board, parts):
        raise StepError(f"{spec.pte}: does not fit on {board.title}\n{problem}")
    _generate(firmware, own)
    (work / "vectors.bin").write_bytes(vectors)
    shutil.copyfile(spec.pte, work / "model.pte")
    objects = firmware.toolchain.compile(firmware.units) if own else ()
    with _overflow_explained(firmware, parts, spec.pte):
        _link(firmware, objects) if own else _link_executorch(firmware, spec.prefix)
    _convert(work)
    sections = sizes.read_map((work / "firmware.map").read_text())
    usage = "".join(made.stack_usage.read_text() for made in objects)
    _write_outputs(firmware, sections, usage, output)
    return sizes.linked_text(sections)


def needs_of(pte: Path, driver: str, npu: str, memory_mode: str) -> Needs:
    """What this program asks of its firmware. npu: ethos-u55-128..., "" for none."""
    method = read(pte).methods[0]
    used = {call.operator for call in method.kernel_calls()}
    operators = tuple(sorted(str(method.operators[index]) for index in used))
    if not method.delegates:
        return Needs(operators, "", "")
    return Needs(operators, driver, npu.split("-")[1], memory_mode)


def _generate(firmware: Firmware, own: bool) -> None:
    generated = firmware.work / "generated"
    (generated / "board.h").write_text(board_files.header(firmware.board))
    if own:
        (generated / "selection.cc").write_text(selection_source(firmware.needs, firmware.selection))
    (generated / "firmware.ld").write_text(board_files.linker_script(firmware.layout))
    (firmware.work / "blobs.S").write_text(_BLOBS)


@contextmanager
def _overflow_explained(firmware: Firmware, parts: Sequence[sizes.Part], pte: Path) -> Iterator[None]:
    """The linker's words about a full region, as a table."""
    try:
        yield
    except StepError as error:
        problem = sizes.overflow(firmware.board, parts, str(error))
        if not problem:
            raise
        raise StepError(f"{pte}: does not fit on {firmware.board.title}\n{problem}") from None


def _link(firmware: Firmware, objects: Sequence[Object]) -> None:
    """firmware.elf and firmware.map in the working folder, all names in them relative to it."""
    names = []
    for made in objects:
        name = Path("objects") / f"{made.name}.o"
        (firmware.work / name).parent.mkdir(parents=True, exist_ok=True)
        (firmware.work / name).symlink_to(made.object)
        names.append(str(name))
    flags = (*firmware.board.cpu.flags, *_LINK, "-T", "generated/firmware.ld")
    here = Path.cwd()
    os.chdir(firmware.work)
    try:
        run_tool(["arm-none-eabi-g++", *firmware.board.cpu.flags, "-c", "blobs.S", "-o", "objects/blobs.o"])
        run_tool(["arm-none-eabi-g++", *flags, "objects/blobs.o", *names, *_LIBRARIES, "-o", "firmware.elf"])
    finally:
        os.chdir(here)


def _link_executorch(firmware: Firmware, prefix: Path | None) -> None:
    needs = firmware.needs
    executorch_engine.link(
        executorch_engine.Build(
            executorch_engine.find_prefix(prefix),
            firmware.work,
            firmware.board.cpu.flags,
            needs.operators,
            bool(needs.npu),
        )
    )


def _convert(work: Path) -> None:
    """firmware.hex with everything that is loaded, firmware.bin with what lies in the region of the code."""
    elf = str(work / "firmware.elf")
    run_tool(["arm-none-eabi-objcopy", "-O", "ihex", elf, str(work / "firmware.hex")])
    code = [word for name in (".vectors", ".text", ".init_array", ".data") for word in ("-j", name)]
    run_tool(["arm-none-eabi-objcopy", "-O", "binary", *code, elf, str(work / "firmware.bin")])


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
    """compile_commands.json: RUNTIME stands for the folder of the runtime's sources, wherever the checkout is."""
    plain = Toolchain((("generated", Path()), ("runtime", Path("RUNTIME"))))
    rows = []
    for unit in firmware.units:
        inside = unit.source.is_relative_to(RUNTIME)
        source = Path("RUNTIME") / unit.source.relative_to(RUNTIME) if inside else Path(unit.source.name)
        named = Compilation(unit.name, source, unit.flags)
        rows.append({"directory": ".", "file": str(source), "arguments": plain.command(named, f"{unit.name}.o")})
    return rows
