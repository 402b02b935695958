"""Arm's core driver for engine executorch: where its source and CMSIS are, and how it is configured.

ExecuTorch does not install it. It is compiled into each firmware, for the NPU of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from etbuild.errors import MissingTool
from etbuild.system import environment

_HEADER = "CMSIS/Core/Include/cmsis_compiler.h"


@dataclass(frozen=True)
class CoreDriver:
    """The driver's source folder and settings.

    npu:         ethos-u55-128...
    definitions: "NAME=value" for the preprocessor.
    """

    source: Path
    cmsis: Path
    npu: str
    definitions: tuple[str, ...]

    @property
    def settings(self) -> dict[str, object]:
        """The driver's variables of CMake."""
        return {
            "ETHOSU_CORE_DRIVER": self.source,
            "ETHOSU_TARGET_NPU_CONFIG": self.npu,
            "ETHOSU_LOG_ENABLE": "OFF",
            "CMSIS_PATH": self.cmsis,
            "ETB_NPU_DEFINITIONS": ";".join(self.definitions),
        }

    @property
    def roots(self) -> dict[str, Path]:
        """Its folders, by what they are called in a firmware."""
        return {"driver": self.source, "cmsis": self.cmsis}

    @property
    def files(self) -> list[Path]:
        """What it is compiled from: files and folders."""
        parts = (self.source / name for name in ("CMakeLists.txt", "include", "src"))
        return [*(part for part in parts if part.exists()), (self.cmsis / _HEADER).parent]


def declared_files() -> list[Path]:
    """What the driver of ETHOSU_CORE_DRIVER is compiled from; nothing where it, or its CMSIS, is missing."""
    named = environment.variable("ETHOSU_CORE_DRIVER")
    source = Path(named or "").absolute()
    cmsis = _cmsis(source)
    return CoreDriver(source, cmsis, "", ()).files if named and cmsis else []


def find_core_driver(prefix: Path, npu: str, definitions: Sequence[str]) -> CoreDriver | None:
    """The driver of ETHOSU_CORE_DRIVER, and CMSIS of CMSIS_PATH or beside it; None when the prefix has the driver.

    raises: MissingTool when there is neither, or no CMSIS.
    """
    named = environment.variable("ETHOSU_CORE_DRIVER")
    if not named:
        if any((prefix / "lib").rglob("libethosu_core_driver.a")):
            return None
        raise MissingTool(
            "Arm's core driver: got no source, wanted the driver that ExecuTorch's delegate calls\n"
            "    set ETHOSU_CORE_DRIVER to its source folder"
        )
    source = Path(named).absolute()
    if not (source / "CMakeLists.txt").is_file():
        raise MissingTool(f"{source}: got no CMakeLists.txt, wanted the source folder of Arm's core driver")
    if cmsis := _cmsis(source):
        return CoreDriver(source, cmsis, npu, tuple(definitions))
    raise MissingTool(
        f"{_cmsis_folders(source)[0]}: got no {_HEADER}, wanted the CMSIS that Arm's core driver includes\n"
        "    set CMSIS_PATH to the folder of CMSIS 6"
    )


def _cmsis(source: Path) -> Path | None:
    return next((folder for folder in _cmsis_folders(source) if (folder / _HEADER).is_file()), None)


def _cmsis_folders(source: Path) -> tuple[Path, ...]:
    """Where CMSIS is looked for. source: the driver's."""
    named = environment.variable("CMSIS_PATH")
    return (Path(named).absolute(),) if named else (source.parent / "cmsis_6", source.parent / "cmsis")
