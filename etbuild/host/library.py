"""Builds the host library of the C++ runtime into the cache on first use. It never builds inside the source tree.

The folder's name is a digest of every source, the flags and the compiler, so a library is used for exactly these; its
content is verified by its digest before it is loaded. Several processes may ask at once: the first builds, the others
wait for it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

from etbuild import PACKAGE, RUNTIME
from etbuild.system import environment, programs, tools
from etbuild.system.files import locked, sha256
from etbuild.system.listed_cache import ListedCache

LIBRARY = "libetbuild_host.so"
# Kept beside it: what kernels of the user are linked with (own_kernels.py).
ARCHIVES = ("libetb_kernels.a", "libetb_exec.a")
# The options of a library with all element types, for a program that `needs_all_types`.
ALL_TYPES = ("ETB_WIDE=ON",)

# Files and folders of the package that a step with this module depends on, next to its Python sources.
SOURCES = (
    "runtime/CMakeLists.txt",
    "runtime/base",
    "runtime/pte",
    "runtime/kernels",
    "runtime/npu",
    "runtime/fast",
    "runtime/exec",
    "runtime/port/host",
)
_SUFFIXES = (".h", ".cc", ".cmake", ".txt")


def library(options: tuple[str, ...] = ()) -> Path:
    """The shared library; built if the cache has none for these sources, flags and compiler.

    options: further -D options of CMake, such as "ETB_SANITIZE=ON".
    raises:  MissingTool without cmake, ninja or a C++ compiler; StepError when the build fails.
    """
    cache, key = libraries_cache(), _digest(options)
    built = cache.folder / key / LIBRARY
    if cache.holds(key):
        return built
    with locked(cache.folder / f"{key}.lock", "the host library"):
        if not cache.holds(key):
            _build(cache, key, options)
    return built


def libraries_cache() -> ListedCache:
    """The host libraries of this user. An entry is a folder with the library, and with programs that were built."""
    return ListedCache(environment.cache_folder() / "native")


def _digest(options: tuple[str, ...]) -> str:
    compiler = tools.program("c++")
    # Its content too: a script that adds flags answers with the version of the compiler that it calls.
    builder = (compiler.name, sha256(compiler), tools.version("c++"), platform.machine())
    digest = hashlib.sha256("\0".join((*builder, *options)).encode())
    for path in _sources():
        digest.update(f"\0{path.relative_to(RUNTIME)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> list[Path]:
    found = []
    for part in (PACKAGE / name for name in SOURCES):
        found += sorted(path for path in part.iterdir() if path.suffix in _SUFFIXES) if part.is_dir() else [part]
    return found


def _build(cache: ListedCache, key: str, options: tuple[str, ...]) -> None:
    cmake, ninja, compiler = (tools.program(name) for name in ("cmake", "ninja", "c++"))
    work = Path(tempfile.mkdtemp(prefix=f"{key}.build-", dir=cache.folder))
    log = cache.folder / f"{key}.log"
    configure = [
        str(cmake),
        *("-S", str(RUNTIME), "-B", str(work), "-G", "Ninja"),
        *(f"-DCMAKE_MAKE_PROGRAM={ninja}", f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Release"),
        *(f"-D{option}" for option in options),
    ]
    try:
        for command in (configure, [str(ninja), "-C", str(work), f"-j{os.cpu_count() or 1}"]):
            programs.run(command, log)
        ready = work / "ready"
        ready.mkdir()
        for path in work.iterdir():
            if path.is_file() and (path.name in (LIBRARY, *ARCHIVES) or os.access(path, os.X_OK)):
                path.rename(ready / path.name)
        cache.add(key, {key: ready})
    finally:
        shutil.rmtree(work, ignore_errors=True)


@functools.cache
def warm_library(options: tuple[str, ...] = ()) -> Path:
    """`library(options)`, computed once per process: sources do not change while a process runs."""
    return library(options)
