"""The local store: content under its SHA-256 and signed records under their names. It knows no steps.

<folder>/v1/blobs/ab/<sha256>   content
<folder>/v1/<kind>/ab/<name>    records; their kinds and names are the caller's
<folder>/v1/tmp/                files being written, and locks; gc removes what a killed writer left here

A file gets its final name by a rename when it is complete, and its modification time is that of its last use. Nothing
here is changed in place or linked to from outside, so a change of a restored file never reaches the store.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from etbuild.system.files import lock, sha256

FORMAT = 1

# A file in tmp/ older than this is abandoned: no writer and no step takes so long.
ABANDONED_S = 24 * 3600

# linux/fs.h: _IOW(0x94, 9, int), the same on every file system that shares extents between files.
_FICLONE = 0x40049409


@dataclass(frozen=True)
class Entry:
    """One file of a store. name: as in `Store.read`; used_ns: when it was last written or read."""

    name: str
    path: Path
    size: int
    used_ns: int


class Store:
    """One folder, safe to share between threads and processes; it need not exist yet."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._base = folder / f"v{FORMAT}"
        self._tmp = self._base / "tmp"

    def read(self, name: str) -> bytes | None:
        """The record under a name; None when there is none, or it cannot be read."""
        try:
            data = (self._base / name).read_bytes()
        except OSError:
            return None
        self._mark_used(name)
        return data

    def write(self, name: str, data: bytes) -> None:
        with self._new(name) as part:
            part.write_bytes(data)

    def put(self, source: Path, digest: str) -> None:
        """Store a file's content under its digest.

        raises: OSError when it cannot be written, or the file changed meanwhile.
        """
        name = name_of("blobs", digest)
        with suppress(OSError):
            if sha256(self._base / name) == digest:
                self._mark_used(name)
                return
        with self._new(name) as part:
            if copy(source, part) != digest:
                raise OSError(f"{source} changed while it was read")

    def get(self, digest: str, target: Path, executable: bool) -> bool:
        """Copy a blob to a new file; False, and no file, when it is missing or damaged."""
        name = name_of("blobs", digest)
        try:
            if copy(self._base / name, target, executable) == digest:
                self._mark_used(name)
                return True
            self.delete(name)
        except OSError:
            pass  # Missing, unreadable, or no room for the copy: the step that runs instead reports that.
        with suppress(OSError):
            target.unlink()
        return False

    def delete(self, name: str) -> None:
        with suppress(OSError):
            (self._base / name).unlink()

    @contextmanager
    def claimed(self, key: str, name: str) -> Iterator[None]:
        """One holder of the key at a time, over all processes; the kernel frees it when its holder dies.

        In a folder that cannot be written every process gets the claim: then work may be done twice.

        name: of the step, for the message of a process that waits.
        """
        file = self._tmp / f"{key}.lock"
        with ExitStack() as stack:
            with suppress(OSError):
                self._tmp.mkdir(parents=True, exist_ok=True)
                lock(stack.enter_context(file.open("w")), name)
                stack.callback(self.delete, f"tmp/{file.name}")
            yield

    def files(self) -> Iterator[Entry]:
        """All blobs and records."""
        for kind in self._folders(self._base):
            for folder in self._folders(kind) if kind != self._tmp else ():
                for path in sorted(folder.iterdir()):
                    with suppress(OSError):
                        stat = path.stat()
                        yield Entry(path.relative_to(self._base).as_posix(), path, stat.st_size, stat.st_mtime_ns)

    def remove_abandoned(self, now_ns: int, older_than_s: float = ABANDONED_S) -> None:
        """Remove what killed writers left."""
        with suppress(OSError):
            for path in list(self._tmp.iterdir()):
                with suppress(OSError):
                    if now_ns - path.stat().st_mtime_ns >= older_than_s * 1e9:
                        path.unlink()

    def _folders(self, base: Path) -> list[Path]:
        try:
            return sorted(entry for entry in base.iterdir() if entry.is_dir())
        except OSError:
            return []

    def _mark_used(self, name: str) -> None:
        with suppress(OSError):
            os.utime(self._base / name)

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """A file to write, which is renamed to the name when the block ends well."""
        part = self._tmp / f"{os.getpid()}.{os.urandom(8).hex()}"
        self._tmp.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            (self._base / name).parent.mkdir(parents=True, exist_ok=True)
            part.replace(self._base / name)
        finally:
            with suppress(OSError):
                part.unlink()


def name_of(kind: str, digest: str) -> str:
    return f"{kind}/{digest[:2]}/{digest}"


def copy(source: Path, target: Path, executable: bool = False) -> str:
    """Copy a file to a new one, sharing its blocks where the file system can; the digest of the copy."""
    with source.open("rb") as old, create(target, executable) as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 1 << 20)
        new.seek(0)
        return hashlib.file_digest(new, "sha256").hexdigest()


def create(path: Path, executable: bool) -> io.BufferedRandom:
    """A new file to write and read, with the permissions that the user's umask leaves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o777 if executable else 0o666), "w+b")
