"""Links a firmware with ExecuTorch's own runtime, which the user has installed into a prefix, by CMake.

Before linking it checks that the prefix has a kernel for every operator of the .pte. Without that check a missing
kernel would be an error at run time.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild import RUNTIME
from etbuild.errors import MissingTool, StepError
from etbuild.firmware.toolchain import run_tool
from etbuild.system import environment, tools

_CONFIGS = ("lib/cmake/ExecuTorch/executorch-config.cmake", "lib/cmake/executorch/executorch-config.cmake")


@dataclass(frozen=True)
class Build:
    """One link.

    work:      folder with generated/, blobs.S, model.pte and vectors.bin.
    flags:     the compiler's flags for the CPU.
    operators: "aten::add.out"... of the .pte.
    sources:   of the board: its console's, and its own.
    """

    prefix: Path
    work: Path
    flags: tuple[str, ...]
    operators: tuple[str, ...]
    has_delegates: bool
    sources: tuple[Path, ...] = ()


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
    prefix = Path(text).absolute()
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


def link(build: Build) -> None:
    """Link firmware.elf and firmware.map into build.work.

    raises: MissingTool without CMake, Ninja or the compiler; StepError when an operator is missing or the link fails.
    """
    check_operators(build.prefix, build.operators)
    work, folder = build.work, build.work / "executorch"
    driver = environment.variable("ETHOSU_CORE_DRIVER")
    compilers = {"C": "arm-none-eabi-gcc", "CXX": "arm-none-eabi-g++", "ASM": "arm-none-eabi-gcc"}
    settings = {
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_SYSTEM_PROCESSOR": "arm",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_MAKE_PROGRAM": tools.program("ninja"),
        **{f"CMAKE_{language}_COMPILER": tools.program(name) for language, name in compilers.items()},
        "CMAKE_PREFIX_PATH": build.prefix,
        "CMAKE_FIND_ROOT_PATH": build.prefix,
        "ETB_RUNTIME": RUNTIME,
        "ETB_GENERATED": work / "generated",
        "ETB_BLOBS": work / "blobs.S",
        "ETB_FLAGS": " ".join(build.flags),
        "ETB_SOURCES": ";".join(str(source.absolute()) for source in build.sources),
        "ETB_DELEGATES": "ON" if build.has_delegates else "OFF",
        **({"ETHOSU_CORE_DRIVER": driver} if driver else {}),
    }
    definitions = [f"-D{name}={value}" for name, value in settings.items()]
    run_tool(["cmake", "-S", str(RUNTIME / "executorch"), "-B", str(folder), "-G", "Ninja", *definitions])
    run_tool(["ninja", "-C", str(folder)])
    for name in ("firmware.elf", "firmware.map"):
        shutil.move(folder / name, work / name)
