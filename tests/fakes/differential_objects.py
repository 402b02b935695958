"""Objects of a firmware's sources: what the real cross compiler and its cache give after damage to that cache."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from differential_damage import damage_one
from differential_world import World, write

PROGRAM = """
import sys
from pathlib import Path
from etbuild.firmware.toolchain import Compilation, Toolchain
folder, level = Path(sys.argv[1]), sys.argv[2]
unit = Compilation("unit", folder / "unit.cc", ("-mcpu=cortex-m55", f"-O{level}"))
(made,) = Toolchain((("own", folder),)).compile([unit])
sys.stdout.buffer.write(made.object.read_bytes() + made.stack_usage.read_bytes())
"""

# By world, and source, header and level: what a compilation with an empty cache gives. It has the path of the source.
_clean: dict[tuple[Path, tuple[int, int, int]], bytes] = {}


def compile_after_damage(world: World, texts: tuple[int, int, int], number: int, how: str, at_once: bool) -> None:
    """texts: of the source and the header, and the level of optimisation; number: which file of the cache is damaged;
    at_once: by two processes."""
    folder, (source, header, level) = world.base / "sources", texts
    write(folder / "unit.cc", f'#include "unit.h"\nint value() {{ return {source} + VALUE; }}\n')
    write(folder / "unit.h", f"#define VALUE {header}\n")
    key = (world.base, texts)
    if key not in _clean:
        _clean[key] = _finished(_compile(world, world.base / f"clean objects {len(_clean)}", level))
    # Files of the cache alone, so that there is damage as often as not.
    cache = sorted(path for path in (world.user / "etbuild/objects").rglob("*") if path.is_file())
    damage_one(cache, number, how)
    started = [_compile(world, world.user, level) for _ in range(1 + at_once)]
    found = [_finished(process) for process in started]
    assert all(one == _clean[key] for one in found), f"{len(found[0])} bytes, wanted {len(_clean[key])}"


def _compile(world: World, cache: Path, level: int) -> subprocess.Popen[bytes]:
    words = [str(world.python.python), "-c", PROGRAM, str(world.base / "sources"), str(level)]
    environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=world.base, env=environment, stdout=pipe, stderr=pipe)


def _finished(process: subprocess.Popen[bytes]) -> bytes:
    made, printed = process.communicate()
    assert process.returncode == 0, printed.decode()
    return made
