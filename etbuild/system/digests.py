"""SHA-256 of files and folders, cached by their stat. A modification time alone is never trusted.

A cached digest is used only while device, inode, size, mtime and ctime are unchanged, and only if the file had not
changed for AT_REST_NS when it was hashed: the kernel sets ctime on each write, and no program can set it back.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from etbuild.system.files import write_atomic

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


class Digests:
    """The digests of one project, with a JSON file as cache between runs.

    root:       what relative paths are relative to.
    cache_file: the JSON file; a missing or damaged one only costs time.
    stats_seen: the stat key of everything that was examined, taken before it was read; None for what did not exist.
    """

    def __init__(self, root: Path, cache_file: Path):
        self._root = str(root)
        self._cache_file = cache_file
        self._cached: dict[str, list[object]] = {}
        self._found: dict[str, str | None] = {}
        self._changed = False
        self._lock = threading.Lock()
        self.stats_seen: dict[str, StatKey | None] = {}
        try:
            cached = json.loads(cache_file.read_bytes())
            if isinstance(cached, dict):
                self._cached = cached
        except (OSError, ValueError):
            pass

    def of(self, path: Path | str) -> str | None:
        """The digest of a file, or of a folder with all its files; None when nothing exists.

        A path is examined once a run; `forget` makes it be examined again.
        """
        name = os.fspath(path)
        if name in self._found:
            return self._found[name]
        full = self._full(name)
        digest: str | None
        try:
            digest = self._file(name, full)
        except IsADirectoryError:
            digest = self._folder(name, full)
        except (FileNotFoundError, NotADirectoryError):
            self.stats_seen[name] = digest = None
        self._found[name] = digest
        return digest

    def was_found(self, path: str) -> bool:
        """Whether `of` has found something at the path, without examining it again."""
        return self._found.get(path) is not None

    def record_stat(self, name: str) -> StatKey | None:
        """The stat key of a path that the caller will read next, added to `stats_seen`; None when nothing exists."""
        key = self.stats_seen[name] = stat_of(self._full(name))
        return key

    def forget(self, *paths: Path | str) -> None:
        """Examine these again the next time: a step has written them."""
        for path in paths:
            self._found.pop(os.fspath(path), None)

    def save(self) -> None:
        """Write the cache file; if the disk refuses, the next run only takes longer."""
        with self._lock:
            if not self._changed:
                return
            with suppress(OSError):
                write_atomic(self._cache_file, json.dumps(self._cached, separators=(",", ":")))
            self._changed = False

    def _full(self, name: str) -> str:
        return name if name.startswith("/") else f"{self._root}/{name}"

    def _file(self, name: str, full: str) -> str:
        stat = os.stat(full)
        key = self.stats_seen[name] = stat_key(stat)
        if stat.st_mode & 0o170000 == 0o040000:
            raise IsADirectoryError(full)
        cached = self._cached.get(name)
        if cached is not None and tuple(cached[:5]) == key:
            return str(cached[5])
        before = time.time_ns()
        with open(full, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            if stat.st_ctime_ns + AT_REST_NS <= before:
                self._cached[name] = [*key, digest]
                self._changed = True
            elif self._cached.pop(name, None) is not None:
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
                found[relative] = self._file(os.path.join(name, relative), os.path.join(at, file))
        return folder_digest(found)
