"""Runs the cross compiler, with a cache of objects by content. It knows no recipe.

An object's name is a digest of everything that its bytes depend on: compiler, C library, flags, its source and every
header that the source includes. So a firmware of any project or checkout reuses it; its content is verified by its
digest before each use. Builds that run at the same time share the work: there is a file lock per object.
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
from etbuild.system.listed_cache import ListedCache

_INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.M)


@dataclass(frozen=True)
class Compilation:
    """A source to compile. name: of its object, e.g. "exec/method". flags: without paths."""

    name: str
    source: Path
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Object:
    """A compiled object. object: a file in the shared cache, not to be changed."""

    name: str
    object: Path

    @property
    def stack_usage(self) -> Path:
        """GCC's .su file: the stack frames of its functions."""
        return self.object.with_suffix(".su")


@dataclass(frozen=True)
class Toolchain:
    """The cross compiler. folders: the include path, in order, each with its name in the objects' debug information."""

    folders: tuple[tuple[str, Path], ...]

    def compile(self, units: Sequence[Compilation]) -> tuple[Object, ...]:
        """Compile the sources whose objects are not in the cache, in parallel on all cores.

        return: the objects, in the order of `units`.
        raises: MissingTool without the compiler; StepError with the compiler's output.
        """
        cache = objects_cache()
        cache.folder.mkdir(parents=True, exist_ok=True)
        objects = [Object(unit.name, cache.folder / f"{self._key(unit)}.o") for unit in units]
        missing = [job for job in zip(units, objects, strict=True) if not cache.holds(job[1].object.stem)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            # Those that another process is compiling come last, so that no thread waits while there is work.
            done = pool.map(lambda job: self._ensure(*job, wait=False), missing)
            locked = [job for job, is_done in zip(missing, done, strict=True) if not is_done]
            list(pool.map(lambda job: self._ensure(*job, wait=True), locked))
        return tuple(objects)

    def command(self, unit: Compilation, output: str) -> list[str]:
        """The compiler's command line without the options that only affect debug information. output: the object."""
        return [
            "arm-none-eabi-gcc" if unit.source.suffix in (".c", ".S") else "arm-none-eabi-g++",
            *unit.flags,
            *(text for _, folder in self.folders for text in ("-I", str(folder))),
            *("-c", str(unit.source), "-o", output),
        ]

    def _key(self, unit: Compilation) -> str:
        """The object's name in the cache."""
        versions = (tools.version("arm-none-eabi-g++"), tools.version(tools.NEWLIB))
        digest = hashlib.sha256("\0".join((*versions, unit.name, *unit.flags)).encode())
        for name, content in sorted(self._digests(unit.source).items()):
            digest.update(f"\0{name}\0".encode() + content)
        return digest.hexdigest()[:40]

    def _digests(self, source: Path) -> dict[str, bytes]:
        """Digests, by name, of a source ("") and of all files in `folders` that it includes, at any depth."""
        found = {"": content_digest(source)}
        pending = list(included(source))
        while pending:
            name = pending.pop()
            file = self.find(name)
            if name in found or file is None:
                continue
            found[name] = content_digest(file)
            pending += included(file)
        return found

    def find(self, name: str) -> Path | None:
        """The file in `folders` that an #include with this name refers to; None for other headers."""
        for _, folder in self.folders:
            if (folder / name).is_file():
                return folder / name
        return None

    def _ensure(self, unit: Compilation, compiled: Object, *, wait: bool) -> bool:
        """Compile the object if the cache does not hold it; whether it does now.

        wait: wait while another process compiles it; otherwise return False.
        """
        lock_file = compiled.object.with_suffix(".lock")
        with lock_file.open("w") as file:
            if wait:
                lock(file, unit.name)
            elif not try_lock(file):
                return False
            if not objects_cache().holds(compiled.object.stem):
                self._compile(unit, compiled)
            lock_file.unlink(missing_ok=True)
        return True

    def _compile(self, unit: Compilation, compiled: Object) -> None:
        key = compiled.object.stem
        part = compiled.object.with_name(f"{key}.{os.getpid()}-{os.urandom(4).hex()}.o")
        maps = [f"-ffile-prefix-map={folder}={name}" for name, folder in self.folders]
        command = self.command(unit, str(part))
        try:
            run_tool([*command, *maps, "-fstack-usage", f"-fdebug-prefix-map={Path.cwd()}=."])
            made = {compiled.object.name: part, compiled.stack_usage.name: part.with_suffix(".su")}
            objects_cache().add(key, made)
        finally:
            part.unlink(missing_ok=True)
            part.with_suffix(".su").unlink(missing_ok=True)


def objects_cache() -> ListedCache:
    """The compiled objects of this user. An entry is an object and its stack frames."""
    return ListedCache(environment.cache_folder() / "objects")


def included(file: Path) -> tuple[str, ...]:
    """The names in a source's #include "..." lines; cached by modification time."""
    return _included(file, file.stat().st_mtime_ns)


@functools.cache
def _included(file: Path, _: int) -> tuple[str, ...]:
    return tuple(name.decode() for name in _INCLUDE.findall(file.read_bytes()))


def content_digest(file: Path) -> bytes:
    """SHA-256 of a file's content; cached by modification time."""
    return _content_digest(file, file.stat().st_mtime_ns)


@functools.cache
def _content_digest(file: Path, _: int) -> bytes:
    return bytes.fromhex(sha256(file))


def run_tool(command: Sequence[str]) -> str:
    """Run a program by its name and return its output.

    raises: MissingTool when it is not installed; StepError with its command, exit code and last lines.
    """
    return programs.run(command, program=tools.program(command[0]))
