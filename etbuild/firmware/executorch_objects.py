"""Compiles what engine executorch links into every firmware of a kind, with a cache by content.

An entry is the folder of CMake's build with the objects and libraries that it made, and link.json with the linker's
command. It has no model: that is linked to it for each image.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from etbuild import RUNTIME
from etbuild.firmware.toolchain import content_digest, objects_cache, run_tool
from etbuild.system import tools
from etbuild.system.files import lock

LINK = "link.json"
_KEPT = {".a", ".o", ".obj", ".json"}
_OWN = ("app", "base", "executorch", "npu", "port")


def compiled(settings: Mapping[str, object], read: Iterable[Path], generated: Path) -> Path:
    """The folder of an entry, which is compiled if the cache does not hold it.

    settings:  variables of CMake, without those whose values are folders of one build.
    read:      files and folders that the objects depend on, besides those of the runtime and of `generated`.
    generated: folder of board.h and npu_settings.cc.
    raises:    MissingTool without CMake, Ninja or the compiler; StepError when it does not compile.
    """
    cache = objects_cache()
    cache.folder.mkdir(parents=True, exist_ok=True)
    own = [Path(__file__), *(RUNTIME / name for name in _OWN)]
    key = _key(settings, [*read, *own], generated)
    folder, lock_file = cache.folder / key, cache.folder / f"{key}.lock"
    with lock_file.open("w") as file:
        lock(file, "ExecuTorch's runtime")
        if not cache.holds(key):
            part = cache.folder / f"{key}.{os.getpid()}"
            try:
                _compile(settings, generated, part)
                cache.add(key, {key: part})
            finally:
                shutil.rmtree(part, ignore_errors=True)
        lock_file.unlink(missing_ok=True)
    return folder


def _key(settings: Mapping[str, object], read: Iterable[Path], generated: Path) -> str:
    versions = [tools.version(name) for name in ("arm-none-eabi-g++", tools.NEWLIB, "cmake")]
    texts = [*versions, *(f"{name}={value}" for name, value in sorted(settings.items()))]
    digest = hashlib.sha256("\0".join(texts).encode())
    for root in read:
        _add(digest, str(root), root)
    for file in sorted(generated.iterdir()):
        if file.suffix != ".ld":
            _add(digest, file.name, file)
    return digest.hexdigest()[:40]


def _add(digest: hashlib._Hash, name: str, root: Path) -> None:
    """Add a file, or all files of a folder but those that Python compiled."""
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"\0{name}/{file.relative_to(root)}\0".encode() + content_digest(file))


def _compile(settings: Mapping[str, object], generated: Path, folder: Path) -> None:
    """Configure and compile in a folder, and leave in it what is linked."""
    shutil.copytree(generated, folder / "generated", ignore=shutil.ignore_patterns("*.ld"))
    placed = {"ETB_RUNTIME": RUNTIME, "ETB_GENERATED": folder / "generated", **settings}
    definitions = [f"-D{name}={value}" for name, value in placed.items()]
    run_tool(["cmake", "-S", str(RUNTIME / "executorch"), "-B", str(folder), "-G", "Ninja", *definitions])
    run_tool(["ninja", "-C", str(folder), "engine"])
    last = run_tool(["ninja", "-C", str(folder), "-t", "commands", "firmware.elf"]).strip().splitlines()[-1]
    words = [word for word in shlex.split(last) if word not in (":", "&&")]
    here = [word.replace(f"{folder}/", "engine/") for word in words]
    inside = [f"engine/{word}" if (folder / word).is_file() and not word.startswith("/") else word for word in here]
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix not in _KEPT:
            file.unlink()
    (folder / LINK).write_text(json.dumps(inside, indent=0) + "\n")
