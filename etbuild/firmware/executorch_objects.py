"""Compiles what engine executorch links into every firmware of a kind, with a cache by content.

An entry is the folder of CMake's build with the objects and libraries that it made, and link.json with the linker's
command. It has no model: that is linked to it for each image. Neither its key nor its content depends on where a
checkout, the prefix or the driver lies: sources of our own are copied into the folder, and other folders have names.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etbuild import RUNTIME
from etbuild.firmware.toolchain import content_digest, objects_cache, run_tool
from etbuild.system import tools
from etbuild.system.files import lock

LINK = "link.json"
_KEPT = {".a", ".o", ".obj", ".json"}
_OWN = ("app", "base", "executorch", "npu", "port")
# Files of a board that are compiled; the others are headers.
_COMPILED = {".c", ".cc", ".cpp", ".cxx", ".S"}
_COMPILERS = {"C": "arm-none-eabi-gcc", "CXX": "arm-none-eabi-g++", "ASM": "arm-none-eabi-gcc"}


@dataclass(frozen=True)
class Parts:
    """What the objects are compiled from, besides the runtime.

    settings:  variables of CMake; absolute paths in them begin with a folder of `roots`.
    roots:     folders by their names: what "prefix" is called in the key, in debug information and for the linker.
    read:      files and folders below them that the objects depend on.
    board:     sources and headers of the board, its console's too.
    generated: folder of board.h and npu_settings.cc.
    """

    settings: Mapping[str, object]
    roots: Mapping[str, Path]
    read: tuple[Path, ...]
    board: tuple[Path, ...]
    generated: Path

    def named(self, text: str) -> str:
        """A text with the name of each root in place of its path."""
        for name, folder in sorted(self.roots.items(), key=lambda item: -len(str(item[1]))):
            text = text.replace(str(folder), name)
        return text


def compiled(parts: Parts) -> Path:
    """The folder of an entry, which is compiled if the cache does not hold it.

    raises: MissingTool without CMake, Ninja or the compiler; StepError when it does not compile.
    """
    cache = objects_cache()
    cache.folder.mkdir(parents=True, exist_ok=True)
    key = _key(parts)
    folder, lock_file = cache.folder / key, cache.folder / f"{key}.lock"
    with lock_file.open("w") as file:
        lock(file, "ExecuTorch's runtime")
        if not cache.holds(key):
            part = cache.folder / f"{key}.{os.getpid()}"
            try:
                _compile(parts, part)
                cache.add(key, {key: part})
            finally:
                shutil.rmtree(part, ignore_errors=True)
        lock_file.unlink(missing_ok=True)
    return folder


def _key(parts: Parts) -> str:
    names = ("arm-none-eabi-g++", tools.NEWLIB, "cmake", "python", *(["torch"] if "source" in parts.roots else []))
    settings = (parts.named(f"{name}={value}") for name, value in sorted(parts.settings.items()))
    digest = hashlib.sha256("\0".join((*map(tools.version, names), *settings)).encode())
    _add(digest, "", Path(__file__))
    for name in _OWN:
        _add(digest, name, RUNTIME / name)
    for root in parts.read:
        _add(digest, parts.named(str(root)), root)
    for name, source in _board_names(parts).items():
        _add(digest, name, source)
    for file in sorted(parts.generated.iterdir()):
        if file.suffix != ".ld":
            _add(digest, file.name, file)
    return digest.hexdigest()[:40]


def _add(digest: hashlib._Hash, name: str, root: Path) -> None:
    """Add a file, or all files of a folder but those that Python compiled."""
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"\0{name}/{file.relative_to(root)}\0".encode() + content_digest(file))


def _board_names(parts: Parts) -> dict[str, Path]:
    """The board's files by their names in the entry: board0/clocks.c..., with a number for each folder."""
    folders = list(dict.fromkeys(file.parent for file in parts.board))
    return {f"board{folders.index(file.parent)}/{file.name}": file for file in parts.board}


def _compile(parts: Parts, folder: Path) -> None:
    """Configure and compile in a folder, and leave in it what is linked."""
    shutil.copytree(parts.generated, folder / "generated", ignore=shutil.ignore_patterns("*.ld"))
    for name in _OWN:
        shutil.copytree(RUNTIME / name, folder / "runtime" / name)
    board = {folder / name: file for name, file in _board_names(parts).items()}
    for copy, file in board.items():
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, copy)
    placed = {
        "CMAKE_MAKE_PROGRAM": tools.program("ninja"),
        **{f"CMAKE_{language}_COMPILER": tools.program(name) for language, name in _COMPILERS.items()},
        "PYTHON_EXECUTABLE": sys.executable,
        "ETB_RUNTIME": folder / "runtime",
        "ETB_GENERATED": folder / "generated",
        "ETB_SOURCES": ";".join(str(copy) for copy in board if copy.suffix in _COMPILED),
        "ETB_INCLUDES": ";".join(dict.fromkeys(str(copy.parent) for copy in board)),
        # Of two that fit a path the compiler takes the last.
        "ETB_NAMED": ";".join(
            f"{root}={name}" for name, root in sorted(parts.roots.items(), key=lambda item: len(str(item[1])))
        ),
        **parts.settings,
    }
    definitions = [f"-D{name}={value}" for name, value in placed.items()]
    run_tool(["cmake", "-S", str(folder / "runtime/executorch"), "-B", str(folder), "-G", "Ninja", *definitions])
    run_tool(["ninja", "-C", str(folder), "engine"])
    last = run_tool(["ninja", "-C", str(folder), "-t", "commands", "firmware.elf"]).strip().splitlines()[-1]
    words = [word for word in shlex.split(last) if word not in (":", "&&")]
    here = [parts.named(word.replace(f"{folder}/", "engine/")) for word in words]
    inside = [f"engine/{word}" if (folder / word).is_file() and not word.startswith("/") else word for word in here]
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix not in _KEPT:
            file.unlink()
    (folder / LINK).write_text(json.dumps(inside, indent=0) + "\n")
