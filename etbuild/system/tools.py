"""Which tools the machine has and in which version. It imports none of them and installs nothing.

A program is asked for its version once: the answer is cached while the program's file is unchanged.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import MissingTool
from etbuild.system import environment
from etbuild.system.files import write_atomic


# A NamedTuple and not a dataclass: defining a dataclass costs half a millisecond of every build.
class ProgramSpec(NamedTuple):
    """One program that steps start. debian: the package that brings it; oldest: the first version that works."""

    debian: str
    oldest: tuple[int, ...]


PROGRAMS = {
    "arm-none-eabi-gcc": ProgramSpec("gcc-arm-none-eabi", (12,)),
    "arm-none-eabi-g++": ProgramSpec("gcc-arm-none-eabi", (12,)),
    "arm-none-eabi-objcopy": ProgramSpec("binutils-arm-none-eabi", (2, 35)),
    "arm-none-eabi-readelf": ProgramSpec("binutils-arm-none-eabi", (2, 35)),
    "arm-none-eabi-nm": ProgramSpec("binutils-arm-none-eabi", (2, 35)),
    "arm-none-eabi-addr2line": ProgramSpec("binutils-arm-none-eabi", (2, 35)),
    "qemu-system-arm": ProgramSpec("qemu-system-arm", (7,)),
    "cmake": ProgramSpec("cmake", (3, 24)),
    "ninja": ProgramSpec("ninja-build", (1, 10)),
    "c++": ProgramSpec("g++", (10,)),
}

FVPS = ("FVP_Corstone_SSE-300_Ethos-U55", "FVP_Corstone_SSE-300_Ethos-U65", "FVP_Corstone_SSE-320")

FVP_REMEDY = "get it from Arm (Ecosystem FVPs, with a licence to accept), then set FVP_PATH to its folder"

# The C library that the firmware links. It has no version number, so a digest of its content is used.
NEWLIB = "newlib"
_NEWLIB_FILE = "libc_nano.a"

_VERSION_TIMEOUT_S = 20


def version(name: str) -> str:
    """The version of a tool as one line without a path in it, so that it can be part of a cache key.

    name:   "python", "newlib", a key of PROGRAMS or of FVPS, else a Python package as pip spells it.
    raises: MissingTool with the remedy.
    """
    if name == "python":
        return f"{sys.implementation.name} {sys.version.split()[0]}"
    if name in PROGRAMS or name in FVPS:
        path = program(name)
        return _program_version(str(path)) + (_script_digest(path) if name == "c++" else "")
    if name == NEWLIB:
        return _newlib_version(str(program("arm-none-eabi-g++")))
    found = package_version(name)
    if found is None:
        raise MissingTool(
            f"{name}: got no such Python package in {sys.prefix}, wanted one\n"
            "    start through ./bootstrap, which installs what pyproject.toml pins"
        )
    return found


def package_version(name: str) -> str | None:
    """The installed version of a Python package, None where there is none; nothing is imported."""
    found = _packages(tuple(sys.path)).get(normalised(name))
    return found[0] if found else None


def package_record(name: str) -> tuple[str, str] | None:
    """The version of an installed Python package, and the path of its RECORD, the list of its files."""
    found = _packages(tuple(sys.path)).get(normalised(name))
    return (found[0], f"{found[1]}/RECORD") if found else None


def program(name: str) -> Path:
    """Where a program is: CXX for "c++", FVP_PATH before PATH for a simulator, else PATH.

    raises: MissingTool with the Debian package, or with where Arm offers the simulator.
    """
    import shutil

    if name in FVPS:
        found = shutil.which(
            name, path=os.pathsep.join(filter(None, (environment.variable("FVP_PATH"), environment.variable("PATH"))))
        )
        remedy = FVP_REMEDY
    else:
        command = (environment.variable("CXX") or name) if name == "c++" else name
        found = shutil.which(command)
        remedy = f"sudo apt-get install {PROGRAMS[name].debian}, or start through ./bootstrap"
    if found is None:
        raise MissingTool(f"{name}: got no such program on PATH, wanted one\n    {remedy}")
    return Path(found)


def find(name: str) -> Path | None:
    """As `program`, None where there is none."""
    try:
        return program(name)
    except MissingTool:
        return None


def installed() -> dict[str, str]:
    """Every installed Python package with its version; nothing is imported."""
    return {name: number for name, (number, _) in _packages(tuple(sys.path)).items()}


def normalised(name: str) -> str:
    """The name of a package in its one normalised form."""
    return name.lower().replace("_", "-").replace(".", "-")


@functools.cache
def _packages(folders: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Name to version and .dist-info of every distribution in the folders; the first of a name wins, as for import."""
    found: dict[str, tuple[str, str]] = {}
    for folder in folders:
        try:
            entries = os.listdir(folder or ".")  # noqa: PTH208 - names alone, a Path each would cost a millisecond
        except OSError:
            continue
        for entry in entries:
            if entry.endswith(".dist-info"):
                name, _, number = entry.removesuffix(".dist-info").partition("-")
                found.setdefault(normalised(name), (number, f"{folder or '.'}/{entry}"))
    return found


@functools.cache
def _program_version(path: str) -> str:
    """The first line of `path --version`; asked again only when the file behind the path changed."""
    real = os.path.realpath(path)
    status = Path(real).stat()
    # The name is part of it: one file (gcc's driver, busybox) may answer differently under two names.
    key = f"{path} -> {real} {status.st_size} {status.st_mtime_ns}"
    cached = _read_cache()
    if key not in cached:
        cached = {old: line for old, line in cached.items() if not old.startswith(f"{path} -> ")}
        cached[key] = _answer(path)
        _write_cache(cached)
    return cached[key]


@functools.cache
def _script_digest(compiler: Path) -> str:
    """Of a compiler that is a script, whose version does not tell the flags that it adds; "" of a binary."""
    import hashlib

    with compiler.open("rb") as file:
        if file.read(2) != b"#!":
            return ""
        return f" script {hashlib.sha256(file.read()).hexdigest()[:16]}"


@functools.cache
def _newlib_version(compiler: str) -> str:
    """A digest of the C library that the cross compiler links; read again only when a file changed."""
    import hashlib

    # Before the cache is read, because this may write it.
    where = f"{_NEWLIB_FILE} of {_program_version(compiler)} at {compiler}"
    cached = _read_cache()
    library = Path(cached.get(where) or _answer(compiler, f"-print-file-name={_NEWLIB_FILE}"))
    if not library.is_file():
        library = Path(_answer(compiler, f"-print-file-name={_NEWLIB_FILE}"))
    if not library.is_file():
        raise MissingTool(
            f"{compiler}: got no {_NEWLIB_FILE} with it, wanted newlib\n"
            "    sudo apt-get install libnewlib-arm-none-eabi, or start through ./bootstrap"
        )
    status = library.stat()
    key = f"{library} -> {status.st_size} {status.st_mtime_ns}"
    if key not in cached:
        cached = {old: line for old, line in cached.items() if not old.startswith(f"{library} -> ")}
        cached |= {where: str(library), key: hashlib.sha256(library.read_bytes()).hexdigest()[:16]}
        _write_cache(cached)
    return cached[key]


def _answer(path: str, question: str = "--version") -> str:
    """The first line of the answer."""
    import subprocess

    try:
        done = subprocess.run(
            [path, question],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment.c_locale_environment(),
            stdin=subprocess.DEVNULL,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingTool(f"{path}: got {error}, wanted its version\n    reinstall it") from error
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise MissingTool(
            f"{path} {question}: got exit code {done.returncode} and {said!r}, wanted its version\n    reinstall it"
        )
    return lines[0]


def _cache_file() -> Path:
    return environment.cache_folder() / "programs.json"


def _read_cache() -> dict[str, str]:
    try:
        cached = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) and all(isinstance(line, str) for line in cached.values()) else {}


def _write_cache(cached: dict[str, str]) -> None:
    """A cache that cannot be written (read-only home, full disk) costs time, never a build."""
    file = _cache_file()
    with contextlib.suppress(OSError):
        write_atomic(file, json.dumps(cached, indent=1, sort_keys=True))
