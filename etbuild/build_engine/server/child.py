"""What a process that the compile server has forked does to become the process of a step. It knows no sockets."""

from __future__ import annotations

import gc
import io
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
from etbuild.system.digests import StatKey, stat_key

# Linux, prctl(2) and madvise(2); Python has no names for them.
PR_SET_PDEATHSIG = 1
MADV_POPULATE_WRITE = 23
PART_BYTES = 8 << 20
# In proc(5)'s smaps, an anonymous mapping: start, end, and its resident kB.
_ANONYMOUS = re.compile(r"^(\w+)-(\w+) rw-p \S+ \S+ 0 *\n(?:\w+: .*\n)*?Rss: +(\d+) kB", re.MULTILINE)

# A server imports the first of our modules at most this long before it takes the stat of their files.
START_NS = 5_000_000_000


@dataclass(frozen=True)
class OwnFiles:
    """The stat of all files of a package. at_rest: none of them changed while its first modules were imported."""

    package: Path
    stats: Mapping[str, StatKey]
    at_rest: bool

    @classmethod
    def now(cls, package: Path = PACKAGE) -> OwnFiles:
        stats: dict[str, StatKey] = {}
        for at, folders, files in os.walk(package):
            folders[:] = [folder for folder in folders if folder != "__pycache__"]
            for file in files:
                path = f"{at}/{file}"
                # A Path for each of hundreds of files would take longer than the stats.
                stats[path] = stat_key(os.stat(path))  # noqa: PTH116
        youngest = max((ctime_ns for *_, ctime_ns in stats.values()), default=0)
        return cls(package, stats, youngest + START_NS < time.time_ns())

    def unchanged(self) -> bool:
        """Whether the modules that were imported since are those that the files contain now."""
        try:
            return self.at_rest and self.stats == OwnFiles.now(self.package).stats
        except OSError:  # A file was removed meanwhile.
            return False


def detach(server: int) -> None:
    """Move to a process group of its own, which can be killed as a whole, and end when the server ends."""
    os.setsid()
    die_with(server)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def copy_memory() -> Iterator[None]:
    """Copy the pages that a step will write to anyway: Python's objects, whose reference counts change.

    Copying them one page fault at a time costs a small step a quarter of its time. Each item copies a part, in some
    milliseconds. The C library's heap is mostly only read, and stays shared. Linux before 5.14 refuses; nothing else
    changes then.
    """
    import ctypes

    madvise = ctypes.CDLL(None).madvise
    for found in _ANONYMOUS.finditer(Path("/proc/self/smaps").read_text()):
        begin, end = (int(address, 16) for address in found.groups()[:2])
        if 2048 * int(found[3]) > end - begin:  # Not what is only reserved.
            for part in range(begin, end, PART_BYTES):
                madvise(ctypes.c_void_p(part), ctypes.c_size_t(min(PART_BYTES, end - part)), MADV_POPULATE_WRITE)
                yield


def run_step(message: dict[str, object], log: int, own: OwnFiles) -> int:
    """Run a step in this process, which is detached already; its exit code.

    own: our files as they were before the server imported any of them.
    """
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    variables, argv, name = message["env"], message["argv"], str(message["module"])
    assert isinstance(variables, dict) and isinstance(argv, list)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(str(message["cwd"]))
    sys.argv = [name, *argv]
    if isinstance(sys.stdout, io.TextIOWrapper):  # Each line is in the log when it is printed.
        sys.stdout.reconfigure(line_buffering=True)
    if not own.unchanged():
        # The packages too: `from etbuild.system import tools` reads an attribute of the package, which is the server's.
        for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == PACKAGE.name]:
            del sys.modules[loaded]
    gc.enable()
    import importlib

    from etbuild.errors import exit_code_of

    module = importlib.import_module(name)
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
    """Flush the buffers of Python and of the C library: before a fork, or before an exit that does not."""
    import ctypes

    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:  # A model may have removed or closed it.
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def die_with(server: int) -> None:
    """End when the server ends: after kill -9 of the server its client runs the step again, and once is enough."""
    _signal_at_parents_death(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(70)


def outlive_parent() -> None:
    """Undo `die_with`: the replacement server lives on when the first server has ended."""
    _signal_at_parents_death(0)


def _signal_at_parents_death(number: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
