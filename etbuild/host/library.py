"""The host library of the C++ runtime, built on first use into the cache. It never builds inside the source tree.

The folder's name is a digest of every source, the flags and the compiler's version, so an old library is never used for
new sources, and several processes may ask at once: the first builds, the others wait for it.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etbuild import PACKAGE, RUNTIME
from etbuild.errors import StepError
from etbuild.system import tools

LIBRARY = "libetbuild_host.so"

# What a step that imports this module depends on beside Python: files and folders of the package.
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
_LOG_LINES = 20


def library(options: tuple[str, ...] = ()) -> Path:
    """The shared library, built if this machine has none of these sources, flags and compiler.

    options: further -D options of CMake, such as "ETB_SANITIZE=ON".
    raises:  MissingTool without cmake, ninja or a C++ compiler; StepError when the build fails.
    """
    folder = tools.cache_folder() / "native" / _digest(options)
    built = folder / LIBRARY
    if built.exists():
        return built
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
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
            _run(command, log)
        ready = work / "ready"
        ready.mkdir()
        for path in work.iterdir():
            if path.is_file() and (path.name == LIBRARY or os.access(path, os.X_OK)):
                path.rename(ready / path.name)
        ready.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _run(command: list[str], log: Path) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_LOG_LINES:])
        raise StepError(
            f"the host library does not build: exit code {done.returncode} of\n    {' '.join(command)}\n{tail}\n"
            f"    the whole log: {log}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@functools.cache
def warm_library() -> Path:
    """`library()`, asked once a process: sources do not change under a running program."""
    return library()
