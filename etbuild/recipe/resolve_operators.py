"""Resolves the key `operators` of a recipe. It opens none of the files they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.config.diagnostics import quoted
from etbuild.config.paths import BadPathError
from etbuild.config.setting import read
from etbuild.recipe.operator_sections import KERNEL_SUFFIXES, Operators

if TYPE_CHECKING:
    from etbuild.config.section import Section
    from etbuild.recipe.runtime_sections import Runtime

_KINDS = ("source", "library")


def read_operators(root: Section, runtime: Runtime | None) -> tuple[Operators, ...]:
    """The operators of a recipe; entries that were reported are left out."""
    found: dict[Path, Operators] = {}
    for item in root.each("operators"):
        kinds = [key for key in _KINDS if item.has(key)]
        if len(kinds) != 1:
            item.report(
                "", " with ".join(kinds) or "operators that nothing registers", "exactly one of source, library"
            )
            continue
        one = read(item, Operators, kernels=_kernels(item))
        if one.kernels and runtime and runtime.engine == "executorch":
            remedy = "link them into ExecuTorch's prefix, or use engine: etbuild"
            item.report("kernels", "kernels with runtime.engine: executorch", "no kernels", remedy)
        if one.registers in found:
            item.report(kinds[0], f"{quoted(str(one.registers))} again", "each file once")
        elif one.registers != Path():
            found[one.registers] = one
    return tuple(found.values())


def _kernels(section: Section) -> tuple[str, ...]:
    """Existing C++ files, relative to the project."""
    paths, base = section.reading.paths, section.location("kernels").file
    found: dict[str, None] = {}
    for text in section.alternatives("kernels"):
        try:
            found[paths.find(text, base, KERNEL_SUFFIXES).as_posix()] = None
        except BadPathError as bad:
            section.report("kernels", bad.got, bad.wanted, bad.remedy)
    return tuple(found)
