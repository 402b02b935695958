"""Selects the C++ sources of the runtime that a firmware needs, by its .pte and the includes of the sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import RUNTIME
from etbuild.errors import StepError
from etbuild.firmware.toolchain import included
from etbuild.firmware.user_kernels import KERNEL_LINE, kernels_in

if TYPE_CHECKING:
    from etbuild.hardware.board import Board

_PORT = "port/cortex_m"
# By family: the end of the names of emulator sources for other families. Names with neither end are for all families.
_OTHER = {"u55": "_u85", "u65": "_u85", "u85": "_u55"}
# The source that implements a header, where it has another name.
_SOURCE_OF = {"kernels/kernel.h": "kernels/args.cc"}
# Of a firmware with `events`.
_EVENTS = "app/events.cc"
# Of a firmware whose program has several `methods`.
_METHODS = "app/methods.cc"
# For inputs that are no tensors.
_SCALARS = "exec/scalar_inputs.cc"
# Sources in npu/ that are not part of the emulator, or only of its observers on the host.
_NOT_EMULATOR = ("observe", "hazards", "ethosu")


@dataclass(frozen=True)
class Needs:
    """What a .pte needs from its firmware.

    operators: "aten::add.out"..., each once, sorted.
    npu:       emulator or ethosu; "" when the .pte has no delegate.
    family:    u55, u65 or u85; "" without a delegate.
    mode:      Vela's memory mode.
    scalars:   whether an input is no tensor.
    console:   what the board prints to: the name of a source port/cortex_m/console_<console>.cc.
    own:       C++ files of the user with kernels; they are preferred to those that come with etbuild.
    all_types: whether it needs the runtime with all element types (runtime/base/wide.h).
    events:    whether it prints what every instruction took and left.
    methods:   whether the program has several.
    types:     of each operator the element types that it is called with, see `dtypes.called_types`; () for all.
    """

    operators: tuple[str, ...]
    npu: str
    family: str
    mode: str = ""
    scalars: bool = False
    all_types: bool = False
    console: str = "cmsdk"
    own: tuple[Path, ...] = ()
    events: bool = False
    methods: bool = False
    types: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Selection:
    """The sources of a firmware, relative to RUNTIME. kernels: symbols, in the order of Needs.operators. own: files of
    the user with kernels, where one of these is called."""

    sources: tuple[str, ...]
    kernels: tuple[str, ...]
    own: tuple[Path, ...] = ()


def select(needs: Needs) -> Selection:
    """The sources of a firmware.

    raises: StepError with all operators that have no kernel, and as of `kernels_in`.
    """
    kernels, own = kernel_places(), kernels_in(needs.own)
    missing = [name for name in needs.operators if name not in kernels and name not in own]
    if missing:
        raise StepError(
            f"firmware: got operators that no CPU kernel is written for: {', '.join(missing)}\n"
            "    quantise them so that the NPU runs them, write a kernel and name it in operators, "
            "or use runtime.engine: executorch"
        )
    chosen = [kernels[name] for name in needs.operators if name not in own]
    files = needs.own if any(name in own for name in needs.operators) else ()
    starts = [
        *_app_sources(needs),
        *_all("pte"),
        *(name for name in _all("exec") if needs.scalars or name != _SCALARS),
        *(name for name in _all(_PORT) if not name.startswith((f"{_PORT}/npu_", f"{_PORT}/console_"))),
        f"{_PORT}/console_{needs.console}.cc",
        *(file for _, file in chosen),
        *(name for file in files for name in included(file)),
        *_npu_sources(needs),
    ]
    symbols = tuple(own.get(name) or kernels[name][0] for name in needs.operators)
    return Selection(_closure(starts), symbols, files)


def _app_sources(needs: Needs) -> list[str]:
    left_out = {_EVENTS: not needs.events, _METHODS: not needs.methods}
    return [name for name in _all("app") if not left_out.get(name)]


def console_source(board: Board) -> Path:
    """The source of the board's console, for a build system of its own."""
    return RUNTIME / _PORT / f"console_{board.console}.cc"


def kernel_places() -> dict[str, tuple[str, str]]:
    """For each operator with a kernel: the kernel's symbol and its file, relative to RUNTIME."""
    return {
        name: (f"kernel_{symbol}", f"kernels/{file.name}")
        for file in sorted((RUNTIME / "kernels").glob("*.cc"))
        for symbol, name in KERNEL_LINE.findall(file.read_text(encoding="utf-8"))
    }


def selection_source(needs: Needs, selection: Selection, npu_settings: str = "") -> str:
    """The generated selection.cc: the table of kernels, and the configuration of the NPU emulator or driver.

    npu_settings: for the driver, see etbuild.firmware.npu_settings.
    """
    declarations = "".join(f"extern const Kernel {symbol};\n" for symbol in selection.kernels)
    entries = "".join(f"    &{symbol},\n" for symbol in selection.kernels)
    table = (
        f"namespace {{\nconst Kernel* const all[] = {{\n{entries}}};\n}}\nconst KernelTable kernel_table{{all}};\n"
        if entries
        else "const KernelTable kernel_table{};\n"
    )
    npu = ""
    if needs.npu == "emulator":
        families = "nullptr, &npu::u85" if needs.family == "u85" else "&npu::u55_u65, nullptr"
        emulator = "const npu::Emulator emulator"
        npu = f"namespace port {{\nextern {emulator};\n{emulator}{{{families}}};\n}}\n"
    elif needs.npu == "ethosu":
        npu = f"namespace port {{\n{npu_settings}}}\n"
    include = f'#include "npu/{needs.npu}.h"\n' if npu else ""
    return f'#include "kernels/kernel.h"\n{include}namespace etb {{\n{declarations}{table}{npu}}}\n'


def _npu_sources(needs: Needs) -> Iterable[str]:
    yield f"{_PORT}/npu_{needs.npu or 'none'}.cc"
    if needs.npu == "ethosu":
        yield from ("npu/ethosu.cc", "npu/config.cc")
    if needs.npu == "emulator":
        for name in _all("npu"):
            stem = Path(name).stem
            if not stem.endswith(_OTHER[needs.family]) and not stem.startswith(_NOT_EMULATOR):
                yield name


def _all(folder: str) -> list[str]:
    return sorted(f"{folder}/{file.name}" for file in (RUNTIME / folder).glob("*.cc"))


def _closure(starts: Sequence[str]) -> tuple[str, ...]:
    """The sources, and for each header x.h that they include, at any depth, x.cc when it exists."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    pending = list(starts)
    while pending:
        name = pending.pop()
        if name in seen or not (RUNTIME / name).is_file():
            continue
        seen.add(name)
        if name.endswith(".cc"):
            found[name] = None
        elif _is_selected_otherwise(name):
            continue
        else:
            pending.append(_SOURCE_OF.get(name, f"{name.removesuffix('.h')}.cc"))
        pending += included(RUNTIME / name)
    return tuple(sorted(found))


def _is_selected_otherwise(header: str) -> bool:
    """Whether a header's source is selected by `select` or `_npu_sources` and not by includes."""
    own = [name.replace(".cc", ".h") for name in (_EVENTS, _METHODS)]
    return header.startswith(("npu/", f"{_PORT}/npu_")) or header in own
