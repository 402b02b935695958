"""A .pte and its test vectors as a firmware for a board: firmware.elf, .bin, .hex, .map; sizes.json; and in firmware/
what was generated for it and compile_commands.json. It runs nothing.

The runtime's objects are kept by content in the cache folder, so that a model costs a link.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild import RUNTIME
from etbuild.build_engine.step import Step
from etbuild.errors import StepError, exit_code_of
from etbuild.firmware import board_files, executorch_engine, sizes
from etbuild.firmware import toolchain as cross
from etbuild.firmware.select_sources import Needs, Selection, select, selection_source
from etbuild.firmware.vectors import vector_block
from etbuild.hardware.boards import Board, board_file, load_board
from etbuild.pte.reader import read
from etbuild.steps.options import option

if TYPE_CHECKING:
    from etbuild.hardware.targets import Target
    from etbuild.recipe.recipe import Recipe

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


def step(recipe: Recipe, target: Target) -> Step:
    runtime = recipe.runtime
    assert runtime is not None
    folder = Path("build") / recipe.name / target.variant
    inputs = {
        "--pte": folder / "model.pte",
        "--manifest": folder / "manifest.json",
        "--vectors": Path("build") / recipe.name / target.profile / "golden.npz",
    }
    own_board = (runtime.board.file,) if runtime.board.is_of_user else ()
    made = ("firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "sizes.json", "firmware")
    return Step(
        name=f"firmware:{recipe.name}@{target.variant}",
        argv=(
            *("--board", str(own_board[0]) if own_board else runtime.board.name),
            *(("--npu", target.npu, "--memory-mode", target.memory_mode) if target.npu != "none" else ()),
            *("--driver", runtime.npu, "--stack", str(runtime.stack_bytes)),
            *(("--engine", runtime.engine) if runtime.engine != "etbuild" else ()),
            *option("--prefix", runtime.prefix),
            *(word for name, path in inputs.items() for word in (name, str(path))),
            *("--output", str(folder)),
        ),
        inputs=(*inputs.values(), *own_board, *((runtime.prefix,) if runtime.prefix else ())),
        outputs=tuple(folder / name for name in made),
        tools=(
            *("python", "arm-none-eabi-g++", "arm-none-eabi-objcopy", "newlib"),
            *(("cmake", "ninja") if runtime.engine == "executorch" else ()),
        ),
    )


@dataclass(frozen=True)
class Firmware:
    """One firmware on its way. work: where it is made."""

    board: Board
    layout: board_files.Layout
    needs: Needs
    selection: Selection
    work: Path

    @property
    def toolchain(self) -> cross.Toolchain:
        return cross.Toolchain((("generated", self.work / "generated"), ("runtime", RUNTIME)))

    @property
    def units(self) -> list[cross.Compilation]:
        if not self.selection.sources:
            return []
        flags = (*self.board.cpu.flags, *_FLAGS)
        units = [
            cross.Compilation(name.removesuffix(".cc"), RUNTIME / name, (*flags, *_HOT.get(name, ())))
            for name in self.selection.sources
        ]
        return [*units, cross.Compilation("selection", self.work / "generated/selection.cc", flags)]


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    board = load_board(board_file(options.board) or Path(options.board), Path(options.board))
    manifest = json.loads(options.manifest.read_text(encoding="utf-8"))
    vectors = vector_block(options.pte, options.vectors)
    work = Path("work").absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "generated").mkdir(parents=True)
    placement = board.placement_for(options.memory_mode)
    layout = board_files.Layout(board, placement, options.stack, manifest["memory"]["fast_scratch_bytes"])
    needs = needs_of(options.pte, options.driver, options.npu, options.memory_mode)
    own = options.engine == "etbuild"
    firmware = Firmware(board, layout, needs, select(needs) if own else Selection((), ()), work)
    parts = sizes.known_parts(placement, options.stack, len(vectors), manifest)
    if told := sizes.misfit(board, parts):
        raise StepError(f"{options.pte}: does not fit on {board.title}\n{told}")
    _generate(firmware, own)
    (work / "vectors.bin").write_bytes(vectors)
    shutil.copyfile(options.pte, work / "model.pte")
    objects = firmware.toolchain.compile(firmware.units) if own else ()
    with _told_what_does_not_fit(firmware, parts, options.pte):
        _link(firmware, objects) if own else _link_executorch(firmware, options.prefix)
    _convert(work)
    sections = sizes.read_map((work / "firmware.map").read_text())
    usage = "".join(made.stack_usage.read_text() for made in objects)
    _commit(firmware, sections, usage, options.output)
    print(sizes.linked_text(sections))
    return 0


def needs_of(pte: Path, driver: str, npu: str, memory_mode: str) -> Needs:
    """What this program asks of its firmware. npu: ethos-u55-128..., "" for none."""
    plan = read(pte).plans[0]
    used = {call.operator for call in plan.kernel_calls()}
    operators = tuple(sorted(str(plan.operators[index]) for index in used))
    if not plan.delegates:
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
def _told_what_does_not_fit(firmware: Firmware, parts: Sequence[sizes.Part], pte: Path) -> Iterator[None]:
    """The linker's words about a full region, as a table."""
    try:
        yield
    except StepError as error:
        told = sizes.overflow(firmware.board, parts, str(error))
        if not told:
            raise
        raise StepError(f"{pte}: does not fit on {firmware.board.title}\n{told}") from None


def _link(firmware: Firmware, objects: Sequence[cross.Object]) -> None:
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
        cross.run(["arm-none-eabi-g++", *firmware.board.cpu.flags, "-c", "blobs.S", "-o", "objects/blobs.o"])
        cross.run(["arm-none-eabi-g++", *flags, "objects/blobs.o", *names, *_LIBRARIES, "-o", "firmware.elf"])
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
    cross.run(["arm-none-eabi-objcopy", "-O", "ihex", elf, str(work / "firmware.hex")])
    code = [word for name in (".vectors", ".text", ".init_array", ".data") for word in ("-j", name)]
    cross.run(["arm-none-eabi-objcopy", "-O", "binary", *code, elf, str(work / "firmware.bin")])


def _commit(firmware: Firmware, sections: Sequence[sizes.Section], usage: str, output: Path) -> None:
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
    plain = cross.Toolchain((("generated", Path()), ("runtime", Path("RUNTIME"))))
    rows = []
    for unit in firmware.units:
        inside = unit.source.is_relative_to(RUNTIME)
        source = Path("RUNTIME") / unit.source.relative_to(RUNTIME) if inside else Path(unit.source.name)
        named = cross.Compilation(unit.name, source, unit.flags)
        rows.append({"directory": ".", "file": str(source), "arguments": plain.command(named, f"{unit.name}.o")})
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etbuild.steps.firmware", description=__doc__, allow_abbrev=False)
    parser.add_argument("--board", required=True, help="a board's name, or its file")
    parser.add_argument("--npu", default="", help="what the model was compiled for, e.g. ethos-u55-128")
    parser.add_argument("--memory-mode", default="", help="Vela's memory mode")
    parser.add_argument("--driver", choices=("ethosu", "emulator"), required=True)
    parser.add_argument("--engine", choices=("etbuild", "executorch"), default="etbuild")
    parser.add_argument("--prefix", type=Path, help="of an installed ExecuTorch")
    parser.add_argument("--stack", type=int, required=True, help="bytes")
    parser.add_argument("--pte", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, required=True, help="golden.npz")
    parser.add_argument("--output", type=Path, required=True, help="folder")
    return parser


if __name__ == "__main__":
    sys.exit(exit_code_of(main, sys.argv[1:]))
