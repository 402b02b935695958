"""What a stand-in does besides its work: orders that a test has left for it, each obeyed once, and a list of what ran.

STAND_IN_ORDERS is a folder: <kind>.<moment>.json is an order, `ran` lists the steps, `doit.pid` says who builds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def folder() -> Path | None:
    name = os.environ.get("STAND_IN_ORDERS")
    return Path(name) if name else None


def note(kind: str) -> None:
    """The step runs now."""
    if at := folder():
        with (at / "ran").open("a") as file:
            file.write(f"{kind}\n")


def obey(kind: str, moment: str, written: tuple[Path, ...] = ()) -> int:
    """Do what is ordered for this moment, "begin", "middle" or "end"; the exit code of the step, 0 to go on."""
    at = folder()
    if at is None:
        return 0
    order_file = at / f"{kind}.{moment}.json"
    try:
        order = json.loads(order_file.read_text())
        order_file.unlink()
    except FileNotFoundError:
        return 0
    what = order["do"]
    if what in ("flip", "swap"):
        _elsewhere(order)
    elif what == "kill step":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "kill doit":
        os.kill(int((at / "doit.pid").read_text()), signal.SIGKILL)
    elif what == "kill server" and "etbuild.compile_server" in sys.orig_argv:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.2)
    elif what == "fail":
        return 1
    elif what == "write on":
        _write_on(written[-1:])
    return 0


def _elsewhere(order: dict[str, str]) -> None:
    """Change files in another process: what this one writes is no input of it."""
    if pid := os.fork():
        os.waitpid(pid, 0)
        return
    try:
        if order["do"] == "flip":
            Path(order["path"]).write_text(order["text"])
        else:
            one, other = Path(order["one"]), Path(order["other"])
            one.rename(f"{one} now")
            other.rename(one)
            Path(f"{one} now").rename(other)
    finally:
        os._exit(0)


def _write_on(files: tuple[Path, ...]) -> None:
    """Leave a process behind that changes the step's last output for a while."""
    for path in files:
        with path.open("a") as file:
            if os.fork():
                return
            os.setsid()
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                file.write("more")
                file.flush()
                time.sleep(0.002)
        os._exit(0)
