"""A step's module that does what its first argument says."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from etbuild.errors import StepError


def talk() -> None:
    """Print a line, and wait for the file "end"."""
    print("begins")
    while not Path("end").exists():
        time.sleep(0.01)


def end_after_a_child() -> int:
    pid = os.fork()
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.1)
    return 5


def main(argv: Sequence[str]) -> int:
    what, *rest = argv
    if what == "print":
        print(f"cwd {Path.cwd()}")
        print(f"SEEN {os.environ.get('SEEN')}", file=sys.stderr)
    if what == "talk":
        talk()
    if what == "native":
        ctypes.CDLL(None).printf(b"from native code\n")
    if what == "write":
        Path(rest[0]).write_text("done")
    if what == "mistake":
        raise StepError("the model is wrong")
    if what == "lack":
        # As steps write it: found by the attribute of the package where it is imported already.
        from etbuild.system import tools

        tools.version(rest[0])
    if what == "bug":
        raise RuntimeError("our own bug")
    if what == "exit":
        sys.exit(int(rest[0]) if rest[0].lstrip("-").isdigit() else rest[0])
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(600)
    if what == "quiet":
        sys.stdout.close()
    if what == "fork":
        return end_after_a_child()
    if what == "hang forked":
        pid = os.fork()
        if pid:
            Path("pids").write_text(f"{os.getpid()} {pid}")
        time.sleep(600)
    if what == "hang":
        helper = subprocess.Popen(["sleep", "600"])
        Path("pids").write_text(f"{os.getpid()} {helper.pid}")
        time.sleep(600)
    return 0
