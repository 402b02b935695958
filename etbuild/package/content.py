"""What a package holds, whatever the build system: names, sizes, operators, sources. It writes no build file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import RUNTIME
from etbuild.firmware import board_files, user_kernels
from etbuild.firmware.board_sources import board_units
from etbuild.firmware.image import ALL_TYPES, COMPILER_FLAGS, Firmware, needs_of
from etbuild.firmware.select_sources import select, selection_source
from etbuild.firmware.vectors import vector_block
from etbuild.hardware.npus import catalog
from etbuild.host.own_kernels import OwnKernels
from etbuild.host.program import HostProgram
from etbuild.pte.reader import read

if TYPE_CHECKING:
    from etbuild.firmware.select_sources import Needs
    from etbuild.hardware.board import Board

SOURCES = ("runtime/embed",)

# Of the runtime's sources: what starts a board, and what runs test vectors and prints frames.
_PORT = "port/cortex_m/"
_PORT_OF_RUNTIME = ("arithmetic", "cache", "clock", "npu_", "strings")
_FRAMES = "app/frame.cc"
_APP = ("app/main.cc", "app/vectors.cc", "app/methods.cc")
_HEADERS = ("app", "base", "exec", "kernels", "npu", "port/cortex_m", "pte")
# Those of COMPILER_FLAGS that a program of others need not share, or that CMake says otherwise.
_NOT_PACKAGED = ("-std=", "-W", "-g", "--specs", "-DETB_TEXTS_BESIDE", "-Os")
_ALIGNMENT = 16
# The folder of the user's kernels.
_OWN = "own_kernels/"


@dataclass(frozen=True)
class Spec:
    """What a package is made from.

    vectors: golden.npz; of a program with several methods the folder with one a method.
    driver:  ethosu or emulator. npu: ethos-u55-128..., "" for none.
    header:  model.h of step header. symbol: of the array that it declares.
    kernels: C++ files of the user.
    """

    name: str
    board: Board
    pte: Path
    manifest: Path
    vectors: Path
    header: Path
    symbol: str
    driver: str
    npu: str
    system_config: str
    memory_mode: str
    stack_bytes: int
    kernels: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Content:
    """A package. sources: by part, runtime, board and app, relative to src/. own_flags: of single sources.

    sizes:       bytes by name: ARENA, SCRATCH, FAST_SCRATCH, MODEL.
    definitions: of the NPU, as Arm's core driver names them.
    settings:    C++ source with the register settings of the board's NPU, "" without one.
    """

    spec: Spec
    needs: Needs
    sources: Mapping[str, tuple[str, ...]]
    own_flags: Mapping[str, tuple[str, ...]]
    flags: tuple[str, ...]
    sizes: Mapping[str, int]
    definitions: Mapping[str, str]
    settings: str

    @property
    def ident(self) -> str:
        """The recipe's name as a C identifier."""
        ident = re.sub(r"[^A-Za-z0-9_]", "_", self.spec.name)
        return f"model_{ident}" if ident[0].isdigit() else ident

    @property
    def digest(self) -> str:
        """SHA-256 of the model."""
        return str(json.loads(self.spec.manifest.read_text(encoding="utf-8"))["pte"]["sha256"])


def content_of(spec: Spec, work: Path) -> Content:
    """What the package of a model holds.

    raises: StepError when the runtime has no kernel for one of its operators.
    """
    needs = needs_of(spec.pte, spec.driver, spec.npu, spec.memory_mode)
    needs = replace(needs, console=spec.board.console, own=spec.kernels)
    selection = select(needs)
    layout = _layout(spec)
    firmware = Firmware(spec.board, layout, needs, selection, work, spec.board.npu.timeout_s)
    units = firmware.units
    extra = ALL_TYPES if needs.all_types else ()
    common = (*spec.board.cpu.flags, *COMPILER_FLAGS, *extra)
    own = {
        str(unit.source.relative_to(RUNTIME)): tuple(flag for flag in unit.flags if flag not in common)
        for unit in units
        if unit.source.is_relative_to(RUNTIME)
    }
    init = {unit.source: f"init/{unit.source.name}" for unit in board_units(spec.board)}
    own |= {init[unit.source]: unit.flags[len(spec.board.cpu.flags) :] for unit in units if unit.source in init}
    board = tuple(name for name in selection.sources if name == _FRAMES or _starts_a_board(name))
    app = tuple(name for name in _APP if name in selection.sources)
    rest = tuple(name for name in selection.sources if name not in (*board, *app))
    users = tuple(f"{_OWN}{file.name}" for file in user_kernels.compiled(selection.own))
    sources = {"runtime": (*rest, *users, "embed/embed.cc"), "board": (*board, *init.values()), "app": app}
    flags = (*(flag for flag in COMPILER_FLAGS if not flag.startswith(_NOT_PACKAGED)), *extra)
    own = {name: one for name, one in own.items() if one}
    settings = firmware.npu_settings if needs.npu == "ethosu" else ""
    return Content(spec, needs, sources, own, flags, _sizes(spec), _definitions(needs, spec), settings)


def write_sources(content: Content, folder: Path) -> None:
    """Write src/: the model, the runtime's sources with all their headers, and what is generated for this model."""
    spec, source = content.spec, folder / "src"
    for name in (one for part in content.sources.values() for one in part if not one.startswith(("init/", _OWN))):
        _copy(RUNTIME / name, source / name)
    for file in spec.kernels:
        _copy(file, source / _OWN / file.name)
    for file in spec.board.init_files:
        _copy(file, source / "init" / file.name)
    _copy(RUNTIME / "port/board_init.h", source / "port/board_init.h")
    _copy(RUNTIME / "embed/call_main.cc", source / "embed/call_main.cc")
    _copy(RUNTIME / "port/port.h", source / "port/port.h")
    for part in _HEADERS:
        for header in sorted((RUNTIME / part).glob("*.h")):
            _copy(header, source / part / header.name)
    _copy(spec.pte, source / "model.pte")
    _copy(spec.header, source / "model.h")
    written = {
        "selection.cc": selection_source(content.needs, select(content.needs), content.settings),
        "board.h": board_files.header(spec.board),
        "model_names.h": names_text(content),
        f"{content.ident}.h": api_text(content),
        "model.S": assembly_text(content),
        "vectors.S": _vectors_text(content),
    }
    for name, text in written.items():
        (source / name).write_text(text, encoding="utf-8")
    (source / "vectors.bin").write_bytes(vector_block(spec.pte, spec.vectors))
    (source / "firmware.ld").write_text(board_files.linker_script(_layout(spec)), encoding="utf-8")


def _vectors_text(content: Content) -> str:
    name = f"{content.ident}_vectors"
    return f"""\
/* The test vectors of the recipe, for the program that runs them. */
    .section .test_vectors, "a", %progbits
    .global {name}
    .global {name}_end
    .balign {_ALIGNMENT}
{name}:
    .incbin "vectors.bin"
{name}_end:
"""


def assembly_text(content: Content) -> str:
    """model.S: the model in the section .model, which a linker script places where the NPU can read it."""
    symbol = content.spec.symbol
    return f"""\
/* model.pte as {symbol}; SHA-256 {content.digest}. */
    .section .model, "a", %progbits
    .global {symbol}
    .type {symbol}, %object
    .balign {_ALIGNMENT}
{symbol}:
    .incbin "model.pte"
    .size {symbol}, . - {symbol}
"""


def names_text(content: Content) -> str:
    """model_names.h: the names that embed.cc gives its functions."""
    symbol = content.spec.symbol
    return f"""\
#pragma once
#include "{content.ident}.h"
#include "model.h"
#define ETB_NAME(function) {content.ident}_##function
#define ETB_PTE {symbol}
#define ETB_PTE_BYTES {symbol.upper()}_SIZE
"""


def api_text(content: Content) -> str:
    """The header for the user's C and C++."""
    name, macro, sizes = content.ident, content.ident.upper(), content.sizes
    constants = "".join(f"#define {macro}_{part}_BYTES {size}u\n" for part, size in sizes.items())
    return f"""\
/* {content.spec.name}, compiled for {content.spec.npu or "the CPU"}. Shapes and scales are in model.h. */
#ifndef {macro}_H
#define {macro}_H

#include <stddef.h>

{constants}
#ifdef __cplusplus
extern "C" {{
#endif

/* Each int is 0, or the code of an error whose text {name}_error has. Buffers are 16-byte aligned and stay the model's;
 * the NPU must reach scratch and fast_scratch. */
int {name}_open(void* arena, size_t arena_bytes, void* scratch, size_t scratch_bytes, void* fast_scratch,
    size_t fast_scratch_bytes);
/* As open, for the method of this name; open takes the first. Each open begins anew, in the same or other buffers. */
int {name}_open_method(const char* method, void* arena, size_t arena_bytes, void* scratch, size_t scratch_bytes,
    void* fast_scratch, size_t fast_scratch_bytes);
/* data stays valid until the run has ended. bytes: of the whole input. */
int {name}_set_input(size_t input, const void* data, size_t bytes);
int {name}_run(void);
/* NULL where there is no such tensor. bytes: may be NULL. */
const void* {name}_output(size_t output, size_t* bytes);
const char* {name}_error(void);
/* The most that the arena was used. */
size_t {name}_arena_used(void);

#ifdef __cplusplus
}}
#endif

#endif
"""


def _starts_a_board(name: str) -> bool:
    return name.startswith(_PORT) and not name.removeprefix(_PORT).startswith(_PORT_OF_RUNTIME)


def _layout(spec: Spec) -> board_files.Layout:
    fast = int(json.loads(spec.manifest.read_text(encoding="utf-8"))["memory"]["fast_scratch_bytes"])
    return board_files.Layout(spec.board, spec.board.placement_for(spec.memory_mode), spec.stack_bytes, fast)


def _sizes(spec: Spec) -> dict[str, int]:
    """Bytes that a program has to give.

    ARENA is what a 64-bit host needs: pointers of a microcontroller are half as large, so it is enough.
    """
    manifest = json.loads(spec.manifest.read_text(encoding="utf-8"))
    memory = manifest["memory"]
    kernels = OwnKernels(spec.kernels, tuple(user_kernels.kernels_in(spec.kernels).values()))
    arena, temp = 0, 0
    for method in manifest.get("methods") or [{**manifest, "name": ""}]:
        # Outputs may have no planned memory.
        outputs = sum(_rounded(one["bytes"]) + _ALIGNMENT for one in method["outputs"])
        host = HostProgram(spec.pte, kernels=kernels, method=method["name"]).memory
        arena, temp = max(arena, host.method + host.planned + outputs), max(temp, host.temp)
    # The driver works in nothing else; the runtime aligns the scratch and its end.
    driven = max(memory["scratch_bytes"], _largest_scratch(spec.pte)) + 2 * _ALIGNMENT
    scratch = temp if spec.driver == "emulator" or not temp else driven
    return {
        "MODEL": spec.pte.stat().st_size,
        "ARENA": _rounded(arena),
        "SCRATCH": _rounded(scratch),
        "FAST_SCRATCH": _rounded(memory["fast_scratch_bytes"]),
    }


def _largest_scratch(pte: Path) -> int:
    from etbuild.pte.vela import read_stream

    program = read(pte)
    delegates = [one for method in program.methods for one in method.delegates]
    return max((read_stream(program, one).scratch_bytes for one in delegates), default=0)


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _definitions(needs: Needs, spec: Spec) -> dict[str, str]:
    """NPU_... as Arm's core driver takes them. QCONFIG and REGIONCFG: the AXI port of commands and of each region."""
    if not needs.family:
        return {}
    npu = catalog().npus[spec.npu]
    modes = catalog().stock.memory_modes
    mode = modes.get(spec.memory_mode) or modes["Shared_Sram"]
    first = {"axi0": 1, "axi1": 3}[mode.const]
    arena, cache = ({"axi0": 0, "axi1": 3}[port] for port in (mode.arena, mode.cache))
    config = f"ethos-{npu.family.name}-{npu.macs * npu.cores}"
    regions = {f"NPU_REGIONCFG_{number}": str(value) for number, value in enumerate((first, arena, cache))}
    return {"ETHOSU_TARGET_NPU_CONFIG": f'"{config}"', "NPU_QCONFIG": str(min(first, 2)), **regions}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
