"""Files that many processes share: advisory locks, SHA-256, atomic writes.

The kernel frees a lock when the process that holds it dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

# How long a process waits for a lock before it prints a message.
WAIT_MESSAGE_S = 5.0


def try_lock(file: IO[Any] | int) -> bool:
    """Whether the exclusive lock on an open file is ours now, until it is closed; False when another process has it.

    raises: OSError where the file system cannot lock files.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(file: IO[Any] | int, what: str = "") -> None:
    """Take the exclusive lock on an open file, until it is closed; waits while another process has it.

    what:   the work that is waited for, e.g. a step's name; after WAIT_MESSAGE_S a message names it. "" for no message.
    raises: OSError where the file system cannot lock files.
    """
    if try_lock(file):
        return
    message = f"{what}: waiting for another build that runs it"
    timer = threading.Timer(WAIT_MESSAGE_S, print, [message], {"file": sys.stderr})
    timer.daemon = True
    if what:
        timer.start()
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        timer.cancel()


def kind_of(path: Path) -> str:
    """What is at a path: "file", "folder", "missing", "file without read permission" or "device or pipe"."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "missing"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return "device or pipe"
    return "file" if os.access(path, os.R_OK) else "file without read permission"


def is_open_for_writing(file: Path) -> bool:
    """Whether any process has this file open for writing, or mapped so; False where that cannot be told.

    Linux grants a lease for reading only while none has. Without leases, as on some network file systems: False.
    """
    with suppress(OSError), file.open("rb") as opened:
        try:
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return True
        fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


@contextmanager
def locked(path: Path, what: str = "") -> Iterator[None]:
    """Hold the lock of a lock file, which is created; its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        lock(file, what)
        yield


def files_in(path: Path) -> list[Path]:
    """The files below a folder, in order; a file is the only one of its own."""
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def sha256(file: Path) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits.

    raises: OSError when it cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(file: Path, text: str) -> None:
    """Atomic write by rename: other processes see the old content or the new one. Creates the folder.

    There is no fsync: after a power cut the file may be empty, so a reader must treat a damaged file as a missing one.

    raises: OSError, after which the file is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
