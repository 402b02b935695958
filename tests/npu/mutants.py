"""Deliberate bugs in the emulator (mutants.toml), each compiled into a library of its own."""

from __future__ import annotations

import ctypes
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.npu import native

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fno-exceptions", "-fno-rtti", f"-I{native.RUNTIME}")


@dataclass(frozen=True)
class Mutant:
    """old occurs exactly once in the file, which is below runtime/npu."""

    name: str
    file: str
    old: str
    new: str


TABLE = tomllib.loads((native.HERE / "mutants.toml").read_text(encoding="utf-8"))
MUTANTS = tuple(Mutant(**row) for row in TABLE["mutant"])


def _compile(source: Path, target: Path, *flags: str) -> None:
    command = ["c++", *flags, *FLAGS, "-c", str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def base_objects(folder: Path) -> dict[str, Path]:
    """The emulator as it is, one object a source file."""
    sources = [
        *sorted((native.RUNTIME / "npu").glob("*.cc")),
        *(native.HERE / "native" / name for name in ("emulate.cc", "scalar_only.cc")),
    ]
    objects = {source.name: folder / f"{source.stem}.o" for source in sources}
    for source in sources:
        _compile(source, objects[source.name])
    return objects


def users_of(mutant: Mutant) -> list[str]:
    """The files to compile again: the one itself, or of a header all that may include it."""
    if mutant.file.endswith(".cc"):
        return [mutant.file]
    stem = mutant.file
    paths = [path for path in (native.RUNTIME / "npu").iterdir() if path.is_file()]
    sources = {path.name: path.read_text(encoding="utf-8") for path in paths}
    reached = {stem}
    while True:
        more = {name for name, text in sources.items() if any(f'"npu/{one}"' in text for one in reached)}
        if more <= reached:
            return sorted(name for name in reached if name.endswith(".cc"))
        reached |= more


def mutated(mutant: Mutant, objects: dict[str, Path], folder: Path) -> native.Emulator:
    """An emulator with this bug."""
    copy = folder / "npu"
    copy.mkdir(parents=True)
    for path in (native.RUNTIME / "npu").glob("*.[hc]*"):
        (copy / path.name).write_bytes(path.read_bytes())
    source = copy / mutant.file
    text = source.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.old!r} occurs {text.count(mutant.old)} times"
    source.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    mine = dict(objects)
    for name in users_of(mutant):
        mine[name] = folder / f"{name}.o"
        _compile(copy / name, mine[name], f"-I{folder}")
    library = folder / "mutant.so"
    subprocess.run(["c++", "-shared", *map(str, mine.values()), "-o", str(library)], check=True)
    return native.Emulator(ctypes.CDLL(str(library)))
