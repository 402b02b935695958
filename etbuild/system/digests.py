"""SHA-256 of files and folders, cached by their stat. A modification time alone is never trusted.

A cached digest is used only while device, inode, size, mtime and ctime are unchanged, and only if the file had not
changed for AT_REST_NS when it was hashed: the kernel sets ctime when a program calls write, and no program can set it
back. The exception is a shared mapping (mmap): on ext4 and others a store into a page that is dirty already sets no
time, until the kernel has written the page to disk. `Digests.read_again` finds such an edit.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat as modes
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from io import BufferedReader

# A file that is hashed sooner than this after its last change may change again under the same timestamp.
AT_REST_NS = 50_000_000

# Device, inode, size, mtime_ns, ctime_ns.
StatKey = tuple[int, ...]


def stat_key(stat: os.stat_result) -> StatKey:
    """The part of a stat that changes whenever a file or folder changes."""
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def stat_of(path: str) -> StatKey | None:
    """The stat key of a file or folder; None where nothing exists."""
    try:
        return stat_key(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def folder_digest(files: Mapping[str, str]) -> str:
    """The digest of a folder. files: digest by path relative to the folder."""
    total = hashlib.sha256(b"folder\n")
    for path in sorted(files):
        total.update(f"{path}\0{files[path]}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _read_cache(file: Path) -> dict[str, list[object]]:
    try:
        cached = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}


class Digests:
    """The digests of one project, with a JSON file as cache between runs.

    root:       what relative paths are relative to.
    cache_file: the JSON file; a missing or damaged one only costs time.
    stats_seen: the stat key of everything that was examined, taken before it was read; None for what did not exist.
    """

    def __init__(self, root: Path, cache_file: Path):
        self._root = str(root)
        self._cache_file = cache_file
        self._cached = _read_cache(cache_file)
        self._found: dict[str, str | None] = {}
        self._unreadable: dict[str, str] = {}
        self._changed = False
        self._lock = threading.Lock()
        self.stats_seen: dict[str, StatKey | None] = {}

    def of(self, path: Path | str) -> str | None:
        """The digest of a file, or of a folder with all its files; None when nothing exists.

        A path is examined once a run; `forget` makes it be examined again. What is no file (see `unreadable`) is never
        opened: a pipe or a device has the digest of its kind, a link to nothing the digest of its text.
        """
        name = path if type(path) is str else os.fspath(path)
        try:
            return self._found[name]
        except KeyError:
            digest: str | None
        full = self.full(name)
        try:
            digest = self._file(name, full)
        except IsADirectoryError:
            digest = self._folder(name, full)
        except (FileNotFoundError, NotADirectoryError):
            self.stats_seen[name] = digest = None
        self._found[name] = digest
        return digest

    def of_lines(self, path: str, counts: Callable[[bytes], bool]) -> str | None:
        """The digest of the lines of a file that count; None when it cannot be read. Cached like that of a file."""

        def hashed(file: BufferedReader) -> str:
            total = hashlib.sha256()
            for line in file:
                if counts(line):
                    total.update(line)
            return total.hexdigest()

        try:
            return self._file(path, self.full(path), "lines ", hashed)
        except OSError:
            self.record_stat(path)
            return None

    def was_found(self, path: str) -> bool:
        """Whether `of` has found something at the path, without examining it again."""
        return self._found.get(path) is not None

    def unreadable(self, path: str) -> dict[str, str]:
        """What `of` has found at the path or below it that nobody can read as a file, by path: which kind it is."""
        return {
            name: what for name, what in list(self._unreadable.items()) if name == path or name.startswith(f"{path}/")
        }

    def record_stat(self, name: str) -> StatKey | None:
        """The stat key of a path that the caller will read next, added to `stats_seen`; None when nothing exists."""
        key = self.stats_seen[name] = stat_of(self.full(name))
        return key

    def forget(self, *paths: Path | str) -> None:
        """Examine these again the next time: a step has written them."""
        for path in paths:
            name = os.fspath(path)
            self._found.pop(name, None)
            for below in self.unreadable(name) if self._unreadable else ():
                self._unreadable.pop(below, None)

    def read_again(self) -> None:
        """Use no digest of an earlier run: finds also what has changed under an equal stat."""
        with self._lock:
            self._cached.clear()
            self._found.clear()
            self._changed = True

    def save(self) -> None:
        """Write the cache file; if the disk refuses, the next run only takes longer."""
        with self._lock:
            if not self._changed:
                return
            with suppress(OSError):
                write_atomic(self._cache_file, json.dumps(self._cached, separators=(",", ":")))
            self._changed = False

    def full(self, name: str) -> str:
        """The path of a name, relative or absolute."""
        return name if name.startswith("/") else f"{self._root}/{name}"

    def _file(self, name: str, full: str, part: str = "", hashed: Callable[[BufferedReader], str] = _sha256) -> str:
        """part: what of the file is hashed, for the cache; "" for all of it."""
        stat = os.stat(full)
        key = self.stats_seen[name] = stat_key(stat)
        kind = modes.S_IFMT(stat.st_mode)
        if kind != modes.S_IFREG:
            if kind == modes.S_IFDIR:
                raise IsADirectoryError(full)
            return self._note_unreadable(name, "a device or pipe")
        entry = f"{part}{name}"
        cached = self._cached.get(entry)
        if cached is not None and tuple(cached[:5]) == key:
            return str(cached[5])
        before = time.time_ns()
        with open(full, "rb") as file:
            digest = hashed(file)
        with self._lock:
            if stat.st_ctime_ns + AT_REST_NS <= before:
                self._cached[entry] = [*key, digest]
                self._changed = True
            elif self._cached.pop(entry, None) is not None:
                self._changed = True
        return digest

    def _folder(self, name: str, full: str) -> str:
        found: dict[str, str] = {}
        for at, folders, files in os.walk(full):
            inside = at[len(full) + 1 :]
            # os.walk reads these folders after this iteration: the stat key is older than what is read.
            for folder in folders:
                self.record_stat(os.path.join(name, inside, folder))
            for file in files:
                relative = os.path.join(inside, file)
                found[relative] = self._entry(os.path.join(name, relative), os.path.join(at, file))
        return folder_digest(found)

    def _entry(self, name: str, full: str) -> str:
        try:
            return self._file(name, full)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP) or not os.path.islink(full):
                raise
            self.stats_seen[name] = None
            return self._note_unreadable(name, f"a link to {os.readlink(full)}, which does not exist")

    def _note_unreadable(self, name: str, what: str) -> str:
        self._unreadable[name] = what
        return hashlib.sha256(what.encode(errors="surrogateescape")).hexdigest()
