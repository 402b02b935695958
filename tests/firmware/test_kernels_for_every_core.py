"""Every CPU kernel compiles for every core that a board may name, with the flags of a firmware.

In CI with -fsyntax-only: the front end gives all errors and the warnings about types, which differ between the host and
a 32-bit core, in a fifth of the time. It gives none of the warnings of the optimiser (such as -Wmaybe-uninitialized),
which -Werror makes errors too: a slow test compiles completely. Cores with equal flags share a compilation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etbuild import RUNTIME
from etbuild.config.setting import settings_of
from etbuild.errors import StepError
from etbuild.firmware.image import ALL_TYPES, COMPILER_FLAGS
from etbuild.firmware.toolchain import Compilation, Toolchain, run_tool
from etbuild.hardware.board import Cpu

CORES: list[str] = next(setting.limits["enum"] for field, setting in settings_of(Cpu) if field.name == "core")


def kernels() -> Iterator[Compilation]:
    """All kernels, for all cores; with all element types for one, as the types of the others differ no more."""
    for flags in dict.fromkeys(Cpu(core, 1, 0, "dwt").flags for core in CORES):
        for source in sorted((RUNTIME / "kernels").glob("*.cc")):
            yield Compilation(f"{source.stem} {' '.join(flags)}", source, (*flags, *COMPILER_FLAGS))
    flags = Cpu(CORES[0], 1, 0, "dwt").flags
    for source in sorted((RUNTIME / "kernels").glob("*.cc")):
        yield Compilation(f"{source.stem} with all types", source, (*flags, *COMPILER_FLAGS, *ALL_TYPES))


@pytest.mark.parametrize("options", [["-fsyntax-only"], pytest.param([], marks=pytest.mark.slow, id="completely")])
def test_every_kernel_compiles_for_every_core_that_a_board_may_name(tmp_path: Path, options: list[str]) -> None:
    """Without a warning."""
    compiler = Toolchain((("runtime", RUNTIME),))

    def problem(number: int, unit: Compilation) -> str:
        try:
            return run_tool([*compiler.command(unit, str(tmp_path / f"{number}.o")), *options])
        except StepError as error:
            return f"{unit.name}\n{error}"

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        problems = "\n".join(filter(None, pool.map(problem, *zip(*enumerate(kernels()), strict=True))))

    assert problems == ""
