"""Builds the host library of the C++ runtime into the cache on first use. It never builds inside the source tree.

The folder's name is a digest of every source, the flags and the compiler's version, so a library is used for exactly
these sources. Several processes may ask at once: the first builds, the others wait for it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from etbuild import PACKAGE, RUNTIME
from etbuild.system import environment, programs, tools
from etbuild.system.files import locked

LIBRARY = "libetbuild_host.so"

# Files and folders of the package that a step with this module depends on, next to its Python sources.
SOURCES = (
    "runtime/CMakeLists.txt",
    "runtime/base",
    "runtime/pte",
    "runtime/kernels",
    "runtime/npu",
    "runtime/exec",
    "runtime/port/host",
)
_SUFFIXES = (".h", ".cc", ".cmake", ".txt")


def library(options: tuple[str, ...] = ()) -> Path:
    """The shared library; built if the cache has none for these sources, flags and compiler.

    options: further -D options of CMake, such as "ETB_SANITIZE=ON".
    raises:  MissingTool without cmake, ninja or a C++ compiler; StepError when the build fails.
    """
    folder = environment.cache_folder() / "native" / _digest(options)
    built = folder / LIBRARY
    if built.exists():
        return built
    with locked(folder.with_suffix(".lock")):
        if not built.exists():
            _build(folder, options)
    return built


def _digest(options: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join((tools.version("c++"), *options)).encode())
    for path in _sources():
        digest.update(f"\0{path.relative_to(RUNTIME)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> list[Path]:
    found = []
    for part in (PACKAGE / name for name in SOURCES):
        found += sorted(path for path in part.iterdir() if path.suffix in _SUFFIXES) if part.is_dir() else [part]
    return found


def _build(folder: Path, options: tuple[str, ...]) -> None:
    cmake, ninja, compiler = (tools.program(name) for name in ("cmake", "ninja", "c++"))
    work = Path(tempfile.mkdtemp(prefix="build-", dir=folder.parent))
    log = folder.with_suffix(".log")
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
            if path.is_file() and (path.name == LIBRARY or os.access(path, os.X_OK)):
                path.rename(ready / path.name)
        ready.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@functools.cache
def warm_library() -> Path:
    """`library()`, computed once per process: sources do not change while a process runs."""
    return library()
