"""CPU kernels of the user: which operators their C++ files have kernels for, and how a firmware compiles them.

It compiles nothing. etbuild.host.own_kernels compiles the same files for the host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import StepError
from etbuild.firmware.toolchain import Compilation, included

KERNEL_LINE = re.compile(r'^ETB_KERNEL\(\s*(\w+)\s*,\s*"([^"]+)"', re.M)

_HEADERS = (".h", ".hpp")
_FOR_EXECUTORCH = re.compile(r"\b(?:KernelRuntimeContext|RuntimeContext|EXECUTORCH_LIBRARY|WRAP_TO_ATEN)\b")


def kernels_in(files: Sequence[Path]) -> dict[str, str]:
    """The symbol of each operator's kernel.

    files:  C++ sources and their headers.
    raises: StepError for two kernels of one operator, for files without a kernel, for headers that are not among them.
    """
    found: dict[str, str] = {}
    names = {file.name for file in files}
    for file in files:
        if not file.is_file():
            raise StepError(f"{file}: got no such file, wanted a kernel's source")
        for symbol, operator in KERNEL_LINE.findall(file.read_text(encoding="utf-8", errors="replace")):
            if operator in found:
                raise StepError(f"{file}: got a second kernel for {operator}, wanted one in operators[].kernels")
            found[operator] = f"kernel_{symbol}"
        for header in included(file):
            if (file.parent / header).is_file() and Path(header).name not in names:
                raise StepError(
                    f'{file}: got #include "{header}", wanted only headers that the recipe names\n'
                    f"    add {(file.parent / header).as_posix()} to operators[].kernels: a change of it must be seen"
                )
    if files and not found:
        _refuse_executorchs(files)
        raise StepError(
            f"{', '.join(map(str, files))}: got no line that begins with ETB_KERNEL(, wanted one for each operator\n"
            '    e.g. ETB_KERNEL(soft_clip, "my::soft_clip.out", soft_clip);'
        )
    return found


def _refuse_executorchs(files: Sequence[Path]) -> None:
    """raises: StepError for a kernel that is written for ExecuTorch's runtime."""
    for file in files:
        if name := _FOR_EXECUTORCH.search(file.read_text(encoding="utf-8", errors="replace")):
            raise StepError(
                f"{file}: got a kernel for ExecuTorch's own runtime ({name[0]}), wanted one for etbuild's, which "
                "begins with ETB_KERNEL(\n"
                "    docs/custom-operators.md has its interface; or link this one into a prefix for engine: executorch"
            )


def compiled(files: Sequence[Path]) -> tuple[Path, ...]:
    """The files that are compiled: all but headers."""
    return tuple(file for file in files if file.suffix not in _HEADERS)


def include_folders(files: Sequence[Path]) -> tuple[tuple[str, Path], ...]:
    """The folders of the files, each with a name, where their own headers are found."""
    folders = dict.fromkeys(file.absolute().parent for file in files)
    return tuple((f"kernels{number}", folder) for number, folder in enumerate(folders))


def units(files: Sequence[Path], flags: Sequence[str]) -> list[Compilation]:
    """The compilation of each. flags: of the firmware; what the compiler warns of in these files is no error."""
    own = tuple(flag for flag in flags if flag not in ("-Werror", "-Wconversion", "-Wshadow"))
    return [
        Compilation(f"own_kernels/{number}-{file.name}", file.absolute(), own)
        for number, file in enumerate(compiled(files))
    ]
