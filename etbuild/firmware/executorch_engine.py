"""Links a firmware with ExecuTorch's own runtime, which the user has installed into a prefix.

Before linking it checks that the prefix has a kernel for every operator of the .pte, and that these kernels read its
zero points. Without the checks a missing kernel would be an error at run time, and wrong zero points wrong results.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild.errors import MissingTool, StepError
from etbuild.firmware.core_driver import CoreDriver
from etbuild.firmware.executorch_objects import LINK, Parts, compiled
from etbuild.firmware.executorch_sources import CODE_GENERATION, family_settings
from etbuild.firmware.toolchain import run_tool
from etbuild.pte.reader import read
from etbuild.pte.zero_points import narrow_zero_points
from etbuild.system import environment

_CONFIGS = ("lib/cmake/ExecuTorch/executorch-config.cmake", "lib/cmake/executorch/executorch-config.cmake")
_ARCHITECTURE = re.compile(r"Tag_CPU_arch: (\S+)")

# For a message that a firmware with all operators does not fit.
ALL_OPERATORS = (
    "\n    all operators of the prefix are linked, some 6 MB of code; set runtime.source to ExecuTorch's source, and"
    "\n    only those that the model calls are"
)


@dataclass(frozen=True)
class Build:
    """One link.

    prefix, source: of ExecuTorch, absolute; without a source all operators of the prefix are linked, else the called.
    work:        folder with generated/, blobs.S, model.pte and vectors.bin.
    flags:       the compiler's flags for the CPU.
    operators:   "aten::add.out"... of the .pte.
    sources:     of the board, with headers: its console's, and its own.
    core_driver: None without delegates, or where the prefix has it.
    """

    prefix: Path
    source: Path | None
    work: Path
    flags: tuple[str, ...]
    operators: tuple[str, ...]
    has_delegates: bool
    sources: tuple[Path, ...]
    core_driver: CoreDriver | None


def find_prefix(named: Path | None) -> Path:
    """The installation prefix of ExecuTorch: that of the recipe, else of the variable EXECUTORCH_PREFIX.

    named:  runtime.prefix of the recipe.
    raises: MissingTool when neither is set, or ExecuTorch is not installed there.
    """
    text = named or environment.variable("EXECUTORCH_PREFIX")
    if not text:
        raise MissingTool(
            "ExecuTorch's runtime: got no prefix, wanted one\n"
            "    set runtime.prefix or EXECUTORCH_PREFIX to the prefix that it was installed into"
        )
    prefix = Path(text).resolve()
    if not any((prefix / config).is_file() for config in _CONFIGS):
        raise MissingTool(f"{prefix}: got no {_CONFIGS[0]}, wanted an installed ExecuTorch")
    return prefix


def check_operators(prefix: Path, operators: Sequence[str]) -> None:
    """Check that some library of the prefix contains the name of each operator, as its registration does.

    raises: StepError with the names that are missing.
    """
    wanted = {name: name.encode() + b"\0" for name in operators}
    for library in sorted((prefix / "lib").rglob("*.a")):
        data = library.read_bytes()
        wanted = {name: text for name, text in wanted.items() if text not in data}
    if wanted:
        missing = ", ".join(sorted(wanted))
        raise StepError(
            f"{prefix}: got no registration of {missing}, wanted every operator that the model calls\n"
            "    build ExecuTorch with these kernels, and install it again"
        )


def check_zero_points(pte: Path) -> None:
    """Check that ExecuTorch's kernels read the program's zero points as they are stored.

    raises: StepError with the operators that would read others, and give wrong results without an error.
    """
    if found := narrow_zero_points(read(pte)):
        raise StepError(
            f"{pte.name}: got {', '.join(sorted(set(found)))}, wanted int64 ones: ExecuTorch's kernel reads int64\n"
            "    lower the model again with this version of etbuild, or use runtime.engine: etbuild"
        )


def link(build: Build) -> None:
    """Link firmware.elf and firmware.map into build.work. Their paths are relative to it, or of the system.

    raises: MissingTool without CMake, Ninja or the compiler; StepError when an operator is missing, the link fails or
            the prefix is for another processor.
    """
    check_operators(build.prefix, build.operators)
    check_zero_points(build.work / "model.pte")
    read_files = [*(build.prefix / name for name in ("lib", "include"))]
    read_files += build.core_driver.files if build.core_driver else ()
    if build.source:
        read_files += [build.source / name for name in CODE_GENERATION.values()]
    parts = Parts(_settings(build), _roots(build), tuple(read_files), build.sources, build.work / "generated")
    entry = compiled(parts)
    command = json.loads((entry / LINK).read_text(encoding="utf-8"))
    (build.work / "engine").symlink_to(entry)
    (build.work / "prefix").symlink_to(build.prefix)
    here = Path.cwd()
    os.chdir(build.work)
    try:
        run_tool(["arm-none-eabi-g++", *build.flags, "-c", "blobs.S", "-o", "blobs.o"])
        run_tool(["arm-none-eabi-g++", *command[1:]])
        _check_processor(build)
    finally:
        os.chdir(here)


def _check_processor(build: Build) -> None:
    """Check, in build.work, that no library brought code that the board's processor lacks.

    The linker merges what its inputs say of themselves: the image says the newest architecture.
    """
    wanted, got = (
        _ARCHITECTURE.findall(run_tool(["arm-none-eabi-readelf", "-A", file])) for file in ("blobs.o", "firmware.elf")
    )
    if got != wanted:
        cpu = next(flag.partition("=")[2] for flag in build.flags if flag.startswith("-mcpu="))
        raise StepError(
            f"{build.prefix}: got libraries for {' '.join(got)}, wanted {' '.join(wanted)}, which a {cpu} runs\n"
            f"    build ExecuTorch with TARGET_CPU={cpu}, and install it into a prefix of its own"
        )


def _roots(build: Build) -> dict[str, Path]:
    source = {"source": build.source} if build.source else {}
    return {"prefix": build.prefix, **source, **(build.core_driver.roots if build.core_driver else {})}


def _settings(build: Build) -> dict[str, object]:
    """Variables of CMake, see runtime/executorch/CMakeLists.txt."""
    return {
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_SYSTEM_PROCESSOR": "arm",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_PREFIX_PATH": build.prefix,
        "CMAKE_FIND_ROOT_PATH": build.prefix,
        "ETB_FLAGS": " ".join(build.flags),
        "ETB_DELEGATES": "ON" if build.has_delegates else "OFF",
        **(build.core_driver.settings if build.core_driver else {}),
        **({"ETB_SOURCE": build.source, **family_settings(build.operators)} if build.source else {}),
    }
