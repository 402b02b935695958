"""What power cuts, kills, full disks and careless hands do to the outputs, records and caches of a world."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from differential_edits import EPOCH_NS
from differential_files import FILES
from differential_world import World, write

DAMAGES = ("removed", "empty", "cut", "flipped", "other text", "folder", "link", "swapped")
KINDS = ("export", "quantize", "lower", "golden", "vela", "pte", "header", "run", "report")
MOMENTS = ("begin", "middle", "end")


def outputs(world: World, where: str) -> list[Path]:
    """Files and folders that steps have written."""
    base = world.roots[where] / "build/net"
    return sorted([*base.rglob("*"), *([base] if base.exists() else [])])


def state(world: World, where: str) -> list[Path]:
    """Records, plan, digests and so on."""
    base = world.roots[where] / "build/.etbuild"
    return sorted(path for path in base.rglob("*") if path.is_file() and "sandbox" not in path.parts)


def stored(world: World, where: str) -> list[Path]:
    """Files of the local stores, the remote, and the user's cache."""
    folders = ("store", "own", "store of A", "store of B", "remote", "cache")
    found = [path for name in folders for path in (world.base / name).rglob("*") if path.is_file()]
    return sorted(path for path in found if path.name != "programs.json")


FILES_OF = {"outputs": outputs, "state": state, "stored": stored}


def damage(world: World, what: str, where: str, number: int, how: str) -> None:
    """One file of a checkout's outputs or state, or of what is stored."""
    # A folder in place of a record is an error with a message, and not one that a fault leaves.
    damage_one(FILES_OF[what](world, where), number, "cut" if (what, how) == ("state", "folder") else how)


def damage_one(files: list[Path], number: int, how: str) -> None:
    """One of the files, which keeps its time. number: which."""
    if not files:
        return
    path, other = files[number % len(files)], files[(number * 7 + 1) % len(files)]
    times = path.lstat()
    if path.is_dir() and not path.is_symlink():
        if how in ("removed", "empty", "link"):
            shutil.rmtree(path)
        if how == "empty":
            path.mkdir()
        if how == "other text":
            (path / "more.bin").write_text("more")
        return
    content = path.read_bytes() if path.is_file() else b""
    path.unlink()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:] if content else b"?")
    elif how == "other text":
        path.write_bytes(b"{}")
    elif how == "folder":
        path.mkdir()
        (path / "inside").write_bytes(content)
    elif how == "link":
        path.symlink_to("nowhere")
    elif how == "swapped" and other.is_file():
        path.write_bytes(other.read_bytes())
    elif how == "swapped":
        path.write_bytes(content)
    with suppress(OSError):
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns), follow_symlinks=False)


def damage_in_place(world: World, what: str, where: str, number: int) -> None:
    """One byte of a file, which keeps its inode, size and modification time."""
    files = [path for path in FILES_OF[what](world, where) if path.is_file() and path.stat().st_size]
    if not files:
        return
    path = files[number % len(files)]
    times = path.stat()
    with path.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def order(world: World, kind: str, moment: str, **what: str) -> None:
    """What the next run of such a step does besides its work."""
    (world.orders / f"{kind}.{moment}.json").write_text(json.dumps(what))


def flip_during(world: World, where: str, kind: str, name: str, value: int, moment: str) -> None:
    """A build in which a file changes while a step of that kind runs. Its result is not looked at."""
    path = world.path(where, name)
    if path.parent.is_dir() and not path.is_dir():
        order(world, kind, moment, do="flip", path=str(path), text=FILES[name][1].format(value))
    world.doit(where)


def swap_during(world: World, where: str, value: int, moment: str) -> None:
    """A build in which `data` becomes another folder while export runs. Its result is not looked at."""
    root = world.roots[where]
    if (root / "other data").exists():
        shutil.rmtree(root / "other data")
    shutil.copytree(root / "data", root / "other data", symlinks=True)
    for name in ("both.txt", "low.txt", "config.json", "strict.txt"):
        write(root / "other data" / name, f"{value}\n")
    write(root / "helper.py", f"VALUE = {value}\n")
    order(world, "export", moment, do="swap", one=str(root / "data"), other=str(root / "other data"))
    world.doit(where)


def edit_often(world: World, where: str, name: str, number: int) -> None:
    """A build in which a file gets another text again and again, with equal size, inode and time of modification."""
    path = world.path(where, name)
    if not path.is_file():
        return
    process = world.start(where)
    time.sleep(number / 1000)
    for turn in range(number):
        with path.open("r+") as file:
            file.write(FILES[name][1].format(1 + turn % 4))
        os.utime(path, ns=(EPOCH_NS, EPOCH_NS))
    _, printed = process.wait()
    assert "Traceback" not in printed, printed


def kill_during(world: World, where: str, what: str, kind: str, moment: str) -> None:
    """A build in which a step of that kind kills doit, itself or the server, or fails; for a failure it is said."""
    order(world, kind, moment, do=what)
    code, printed = world.doit(where)
    assert what != "fail" or not (world.orders / f"{kind}.{moment}.json").exists() or code in (0, 1, 2), printed


def crash(world: World, where: str, number: int) -> None:
    """doit is killed before its change of that number to the disk."""
    world.doit(where, STAND_IN_KILL_AT=str(number))


def two_builds(world: World, wheres: Iterable[str], kill_after_s: float | None = None) -> None:
    """At once, in one checkout or in both. kill_after_s: when the first one is killed."""
    started = [world.start(where) for where in wheres]
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        started[0].kill()
    printed = [build.wait()[1] for build in started]
    assert not any("Traceback" in text for text in printed), "\n".join(printed)


def serve(world: World, server: str, processes: int) -> None:
    """server: on, off, or stop or kill all that run; processes: of doit -n."""
    world.processes = processes
    if server in ("on", "off"):
        world.server = server == "on"
    for pid in world.servers() if server in ("stop", "kill") else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM if server == "stop" else signal.SIGKILL)


def leave_rubbish(world: World, where: str) -> None:
    """What killed processes leave: a sandbox, a part of a record, a part of a blob."""
    state_folder = world.roots[where] / "build/.etbuild"
    for path in (state_folder / "sandbox/export-x/build/net", state_folder / "steps", world.store(where) / "v1/tmp"):
        path.mkdir(parents=True, exist_ok=True)
        (path / "export.net.json.1").write_text("{")
