"""What has to be equal on two machines for a step to write the same bytes on both. As a program, this module prints it.

A worker is asked through a fresh process, which sees what was installed or edited since the worker started.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from etbuild import PACKAGE
from etbuild.errors import MissingTool
from etbuild.system import environment, tools
from etbuild.system.files import sha256

MISSING = "none"
# The instructions decide the last bits of floating point; a library uses the last of these that the processor has.
INSTRUCTIONS = ("sse4_2", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")


def identity() -> dict[str, str]:
    """Version by name: Python, kind of machine, etbuild's source, every package that it needs, every program."""
    system = os.uname()
    found = {"python": tools.version("python"), "machine": f"{system.sysname} {system.machine}"}
    with suppress(OSError):
        found["processor"] = processor(Path("/proc/cpuinfo").read_text())
    return found | {"etbuild's source": _source()} | _packages() | {name: _program(name) for name in tools.PROGRAMS}


def of_fresh_process() -> dict[str, str]:
    """The identity as a new process of this Python sees it."""
    command = [sys.executable, "-m", "etbuild.build_engine.dask.identity"]
    done = subprocess.run(command, env=environment.step_environment(), capture_output=True, check=True, timeout=60)
    return {str(name): str(version) for name, version in json.loads(done.stdout).items()}


def differences(here: dict[str, str], there: dict[str, str], depends: tuple[str, ...]) -> tuple[str, ...]:
    """What keeps a step from running there. depends: those of tools.PROGRAMS that it starts, "processor"."""
    optional = {*tools.PROGRAMS, "processor"}
    names = [name for name in dict.fromkeys([*here, *there]) if name not in optional or name in depends]
    pairs = [(name, here.get(name, MISSING), there.get(name, MISSING)) for name in names]
    return tuple(f"{name}: here {ours[:40]}, there {theirs[:40]}" for name, ours, theirs in pairs if ours != theirs)


def processor(cpuinfo: str) -> str:
    """Vendor and widest vector instructions of the first processor in Linux's /proc/cpuinfo."""
    info: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        info.setdefault(name.strip(), value.strip())
    flags = info.get("flags", "").split()
    # Arm has no such order; all of its features count.
    best = [name for name in INSTRUCTIONS if name in flags][-1:] or [info.get("Features", "")]
    return " ".join((info.get("vendor_id") or info.get("CPU implementer") or "unknown", *best)).strip()


def _source() -> str:
    total = hashlib.sha256()
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(files):
        total.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode())
        total.update(bytes.fromhex(sha256(path)))
    return total.hexdigest()[:12]


def _packages() -> dict[str, str]:
    """What etbuild needs, at any depth, without its own extras."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [Requirement("etbuild")]
    while waiting:
        wanted = waiting.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        try:
            package = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            continue
        found[package.metadata["Name"].lower().replace("_", "-")] = package.version
        for needed in map(Requirement, package.requires or ()):
            extras = ("", *wanted.extras)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return dict(sorted(found.items()))


def _program(name: str) -> str:
    try:
        return tools.version(name)
    except MissingTool:
        return MISSING


if __name__ == "__main__":
    print(json.dumps(identity()))
