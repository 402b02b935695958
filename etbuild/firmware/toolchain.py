"""The cross compiler, with a cache of objects by content. It knows no recipe.

An object's name is a digest of everything that its bytes depend on: compiler, flags, its source and every header that
the source includes. So any firmware, in any checkout, gets an object that exists without compiling. Builds that run at
the same time share the work; an object gets its name by a rename when it is complete.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from etbuild.system import environment, programs, tools
from etbuild.system.files import lock, sha256, try_lock

_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.M)


@dataclass(frozen=True)
class Compilation:
    """One source to compile. name: of the object, e.g. "exec/method". flags: without paths."""

    name: str
    source: Path
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Object:
    """object: the file in the cache, which is shared: never change it. stack_usage: GCC's .su file next to it."""

    name: str
    object: Path

    @property
    def stack_usage(self) -> Path:
        return self.object.with_suffix(".su")


@dataclass(frozen=True)
class Toolchain:
    """folders: the include path, in order, each with the name that replaces it in the objects' debug information."""

    folders: tuple[tuple[str, Path], ...]

    def compile(self, units: Sequence[Compilation]) -> tuple[Object, ...]:
        """The objects, compiled where the cache has none, on all cores.

        raises: MissingTool without the compiler; StepError with its output.
        """
        cache = environment.cache_folder() / "objects"
        cache.mkdir(parents=True, exist_ok=True)
        wanted = [Object(unit.name, cache / f"{self._key(unit)}.o") for unit in units]
        missing = [(unit, made) for unit, made in zip(units, wanted, strict=True) if not made.object.exists()]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            made = pool.map(lambda job: self._made(*job, wait=False), missing)
            others = [job for job, done in zip(missing, made, strict=True) if not done]
            list(pool.map(lambda job: self._made(*job, wait=True), others))
        return tuple(wanted)

    def command(self, unit: Compilation, output: str) -> list[str]:
        """The compiler's command, for compile_commands.json and for a shell."""
        return [
            "arm-none-eabi-g++",
            *unit.flags,
            *(word for _, folder in self.folders for word in ("-I", str(folder))),
            *("-c", str(unit.source), "-o", output),
        ]

    def _key(self, unit: Compilation) -> str:
        digest = hashlib.sha256("\0".join((tools.version("arm-none-eabi-g++"), unit.name, *unit.flags)).encode())
        for name, content in sorted(self._reached(unit.source).items()):
            digest.update(f"\0{name}\0".encode() + content)
        return digest.hexdigest()[:40]

    def _reached(self, source: Path) -> dict[str, bytes]:
        """Digest by name of a source and of every file in the folders that it includes, at any depth."""
        found = {"": content_digest(source)}
        waiting = list(included(source))
        while waiting:
            name = waiting.pop()
            file = self.find(name)
            if name in found or file is None:
                continue
            found[name] = content_digest(file)
            waiting += included(file)
        return found

    def find(self, name: str) -> Path | None:
        """The file that an include of this name refers to; None when it is none of ours."""
        for _, folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        return None

    def _made(self, unit: Compilation, made: Object, *, wait: bool) -> bool:
        """Whether the object exists now. wait: for another process that compiles it."""
        lock_file = made.object.with_suffix(".lock")
        with lock_file.open("w") as file:
            if wait:
                lock(file, unit.name)
            elif not try_lock(file):
                return False
            if not made.object.exists():
                self._compile(unit, made)
            lock_file.unlink(missing_ok=True)
        return True

    def _compile(self, unit: Compilation, made: Object) -> None:
        part = made.object.with_name(f"{made.object.stem}.{os.getpid()}.part")
        maps = [f"-ffile-prefix-map={folder}={name}" for name, folder in self.folders]
        command = self.command(unit, str(part.with_suffix(".o")))
        run_tool([*command, *maps, "-fstack-usage", f"-fdebug-prefix-map={Path.cwd()}=."])
        part.with_suffix(".su").replace(made.stack_usage)
        part.with_suffix(".o").replace(made.object)


def included(file: Path) -> tuple[str, ...]:
    return _included(file, file.stat().st_mtime_ns)


@functools.cache
def _included(file: Path, _: int) -> tuple[str, ...]:
    return tuple(name.decode() for name in _INCLUDE.findall(file.read_bytes()))


def content_digest(file: Path) -> bytes:
    return _content_digest(file, file.stat().st_mtime_ns)


@functools.cache
def _content_digest(file: Path, _: int) -> bytes:
    return bytes.fromhex(sha256(file))


def run_tool(command: Sequence[str]) -> str:
    """Run a program of the toolchain by its name; what it printed.

    raises: MissingTool; StepError with its command, exit code and last lines.
    """
    name, *arguments = command
    return programs.run([str(tools.program(name)), *arguments])
