"""Compiles CPU kernels of the user for the host: a shared library beside the host library, which calls them.

It is built into the cache, under a digest of all its sources, the host library and the compiler. It knows no recipe.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild import RUNTIME
from etbuild.errors import StepError
from etbuild.host.library import ALL_TYPES, ARCHIVES, libraries_cache, warm_library
from etbuild.system import programs, tools
from etbuild.system.files import locked, sha256

_LIBRARY = "libkernels.so"
_HEADERS = (".h", ".hpp")
# As runtime/CMakeLists.txt compiles the kernels that come with etbuild; what the user's compiler warns of is no error.
_FLAGS = (
    *("-std=c++17", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-Wall", "-fno-exceptions", "-fno-rtti"),
    *("-ffp-contract=off", "-ffunction-sections", "-fdata-sections", "-fvisibility=hidden", "-Wl,--gc-sections"),
)
_TABLE = """\
#include "kernels/kernel.h"
namespace etb {{
{declarations}}}
extern "C" __attribute__((visibility("default"))) const void* etb_own_kernels(std::size_t* count) {{
    static const etb::Kernel* const all[] = {{{entries}}};
    *count = sizeof all / sizeof *all;
    return all;
}}
"""
_OUTSIDE = "\n    a line ETB_KERNEL belongs into namespace etb, and into no unnamed namespace in it"


@dataclass(frozen=True)
class OwnKernels:
    """Kernels of the user. sources: C++ files and their headers. symbols: of the kernels, from their ETB_KERNEL."""

    sources: tuple[Path, ...]
    symbols: tuple[str, ...]

    def table(self, all_types: bool) -> tuple[Any, int]:
        """The table of the kernels, as the host library takes it, and their number; they stay loaded.

        all_types: for the host library with all element types.
        raises:    MissingTool without a compiler; StepError with its output when it fails.
        """
        if not self.symbols:
            return None, 0
        function = ctypes.CDLL(str(_library(self, ALL_TYPES if all_types else ()))).etb_own_kernels
        function.restype = ctypes.c_void_p
        count = ctypes.c_size_t()
        return ctypes.c_void_p(function(ctypes.byref(count))), count.value


NO_KERNELS = OwnKernels((), ())


@functools.cache
def _library(kernels: OwnKernels, options: tuple[str, ...]) -> Path:
    """The shared library; built if the cache has none for these sources."""
    host = warm_library(options)
    cache, key = libraries_cache(), _digest(kernels, host)
    with locked(cache.folder / f"{key}.lock", "the kernels"):
        if not cache.holds(key):
            work = Path(tempfile.mkdtemp(prefix=f"{key}.build-", dir=cache.folder))
            try:
                _build(kernels, host, options, work)
                cache.add(key, {key: work / "ready"})
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return cache.folder / key / _LIBRARY


def _digest(kernels: OwnKernels, host: Path) -> str:
    digest = hashlib.sha256("\0".join((host.parent.name, *_FLAGS, *kernels.symbols)).encode())
    for path in kernels.sources:
        digest.update(f"\0{path.name}\0{sha256(path)}".encode())
    return digest.hexdigest()[:32]


def _build(kernels: OwnKernels, host: Path, options: tuple[str, ...], work: Path) -> None:
    """Build work/ready. options: of the host library."""
    (work / "ready").mkdir()
    table = work / "table.cc"
    declarations = "".join(f"extern const Kernel {symbol};\n" for symbol in kernels.symbols)
    entries = ", ".join(f"&etb::{symbol}" for symbol in kernels.symbols)
    table.write_text(_TABLE.format(declarations=declarations, entries=entries), encoding="utf-8")
    sources = [str(path.absolute()) for path in kernels.sources if path.suffix not in _HEADERS]
    wide = ["-DETB_WIDE"] if options else []
    archives = [str(host.with_name(name)) for name in ARCHIVES]
    command = [str(tools.program("c++")), *_FLAGS, *wide, "-I", str(RUNTIME), *sources, str(table), *archives]
    try:
        programs.run([*command, "-Wl,--no-undefined", "-o", str(work / "ready" / _LIBRARY)])
    except StepError as error:
        outside = "undefined reference to `etb::kernel_" in str(error)
        raise StepError(f"{error}{_OUTSIDE if outside else ''}") from None
