"""What a process that the compile server has forked does with itself. It knows nothing of the server's sockets."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etbuild import PACKAGE
from etbuild.system.digests import Stamp, stamp

# Linux, prctl(2) and madvise(2); Python has no names for them.
PR_SET_PDEATHSIG = 1
MADV_POPULATE_WRITE = 23
PART_BYTES = 8 << 20
# In proc(5)'s smaps a mapping without a name: from, to, and how many kB of it there are.
_OBJECTS = re.compile(r"^(\w+)-(\w+) rw-p \S+ \S+ 0 *\n(?:\w+: .*\n)*?Rss: +(\d+) kB", re.MULTILINE)

# A server reads the first of our modules at most this long before it looks at their files.
START_NS = 5_000_000_000


@dataclass(frozen=True)
class OwnFiles:
    """All files of a package by stat. at_rest: none of them changed while its first modules were imported."""

    package: Path
    stats: Mapping[str, Stamp]
    at_rest: bool

    @classmethod
    def now(cls, package: Path = PACKAGE) -> OwnFiles:
        stats: dict[str, Stamp] = {}
        for at, folders, files in os.walk(package):
            folders[:] = [folder for folder in folders if folder != "__pycache__"]
            for file in files:
                path = f"{at}/{file}"
                # A Path for each of hundreds would take longer than the stats.
                stats[path] = stamp(os.stat(path))  # noqa: PTH116
        youngest = max((ctime_ns for *_, ctime_ns in stats.values()), default=0)
        return cls(package, stats, youngest + START_NS < time.time_ns())

    def unchanged(self) -> bool:
        """Whether what was imported since is what the files say now."""
        try:
            return self.at_rest and self.stats == OwnFiles.now(self.package).stats
        except OSError:  # A file went while we looked.
            return False


def stand_apart(server: int) -> None:
    """In a group of its own, to be killed with all that it starts, and not to outlive the server."""
    os.setsid()
    die_with(server)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def own_memory() -> Iterator[None]:
    """Copy what a step will write to: Python's objects, by their counts. Page by page it costs a small step a quarter.

    A part of it for each item, some milliseconds each. What the C library has given out (the heap) is mostly only read,
    and stays shared. A kernel before 5.14 says no.
    """
    import ctypes

    madvise = ctypes.CDLL(None).madvise
    for found in _OBJECTS.finditer(Path("/proc/self/smaps").read_text()):
        begin, end = (int(place, 16) for place in found.groups()[:2])
        if 2048 * int(found[3]) > end - begin:  # Not what is only reserved.
            for part in range(begin, end, PART_BYTES):
                madvise(ctypes.c_void_p(part), ctypes.c_size_t(min(PART_BYTES, end - part)), MADV_POPULATE_WRITE)
                yield


def be_step(message: dict[str, object], log: int, own: OwnFiles) -> int:
    """Be the step's process, which stands apart already; its exit code.

    own: as they were before the server imported what it has of them.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    environment, argv, kind = message["env"], message["argv"], message["kind"]
    assert isinstance(environment, dict) and isinstance(argv, list)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(str(message["cwd"]))
    sys.argv = [f"etbuild.steps.{kind}", *argv]
    if not own.unchanged():
        # The package too: `from etbuild import tools` takes what hangs on it, and that is the server's.
        for name in [name for name in sys.modules if name.partition(".")[0] == "etbuild"]:
            del sys.modules[name]
    gc.enable()
    import importlib

    from etbuild.errors import exit_code_of

    module = importlib.import_module(f"etbuild.steps.{kind}")
    try:
        return exit_code_of(module.main, argv)
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1


def flush_all() -> None:
    """Write what Python and the C library still hold back; before a fork, or an end that skips it."""
    import ctypes

    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:  # A model may have done either.
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def die_with(server: int) -> None:
    """After kill -9 of the server its client does the step again: nothing goes on beside that."""
    _at_parents_death(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(70)


def outlive() -> None:
    """The successor has its own life once it serves."""
    _at_parents_death(0)


def _at_parents_death(number: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
