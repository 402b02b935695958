"""SHA-256 of files and folders, remembered by their stat. It never trusts a modification time alone.

A remembered digest is used only while device, inode, size, mtime and ctime are the same, and only if the file
had been at rest when it was hashed: the kernel sets ctime on each write and no program can set it back.
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

from etbuild.system.atomic import write_whole

# A file hashed within this time of its last change may change again under the same timestamp.
AT_REST_NS = 50_000_000

# Device, inode, size, mtime_ns, ctime_ns.
Stamp = tuple[int, ...]


def stamp(stat: os.stat_result) -> Stamp:
    """What of a stat tells that a file or folder is the one that it was."""
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def folder_digest(files: Mapping[str, str]) -> str:
    """The digest of a folder that holds these: digest of a file by its path inside."""
    total = hashlib.sha256(b"folder\n")
    for path in sorted(files):
        total.update(f"{path}\0{files[path]}\n".encode(errors="surrogateescape"))
    return total.hexdigest()


class Digests:
    """The digests of one project, kept in one JSON file between runs.

    root:   what relative paths are relative to.
    memory: the JSON file; a missing or damaged one only costs time.
    looked: the stamp of all that was looked at, taken before the look; None for what was not there.
    """

    def __init__(self, root: Path, memory: Path):
        self._root = str(root)
        self._memory = memory
        self._known: dict[str, list[object]] = {}
        self._seen: dict[str, str | None] = {}
        self._changed = False
        self._lock = threading.Lock()
        self.looked: dict[str, Stamp | None] = {}
        try:
            known = json.loads(memory.read_bytes())
            if isinstance(known, dict):
                self._known = known
        except (OSError, ValueError):
            pass

    def of(self, path: Path | str) -> str | None:
        """The digest of a file, or of a folder with all that it holds; None when there is nothing.

        One look a run: what was seen stays true until `forget`.
        """
        name = os.fspath(path)
        if name in self._seen:
            return self._seen[name]
        full = self._full(name)
        digest: str | None
        try:
            digest = self._file(name, full)
        except IsADirectoryError:
            digest = self._folder(name, full)
        except (FileNotFoundError, NotADirectoryError):
            self.looked[name] = digest = None
        self._seen[name] = digest
        return digest

    def holds(self, path: str) -> bool:
        """Whether `of` found something there; without a look of its own."""
        return self._seen.get(path) is not None

    def note(self, name: str) -> Stamp | None:
        """The stamp of what others look at after this, or of a folder inside one; None when there is nothing."""
        try:
            noted: Stamp | None = stamp(os.stat(self._full(name)))
        except (FileNotFoundError, NotADirectoryError):
            noted = None
        self.looked[name] = noted
        return noted

    def forget(self, *paths: Path | str) -> None:
        """Look again at these the next time: a step has written them."""
        for path in paths:
            self._seen.pop(os.fspath(path), None)

    def save(self) -> None:
        """Write the memory; a disk that refuses costs time at the next run and nothing else."""
        with self._lock:
            if not self._changed:
                return
            with suppress(OSError):
                write_whole(self._memory, json.dumps(self._known, separators=(",", ":")))
            self._changed = False

    def _full(self, name: str) -> str:
        return name if name.startswith("/") else f"{self._root}/{name}"

    def _file(self, name: str, full: str) -> str:
        stat = os.stat(full)
        key = self.looked[name] = stamp(stat)
        if stat.st_mode & 0o170000 == 0o040000:
            raise IsADirectoryError(full)
        known = self._known.get(name)
        if known is not None and tuple(known[:5]) == key:
            return str(known[5])
        before = time.time_ns()
        with open(full, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._lock:
            if stat.st_ctime_ns + AT_REST_NS <= before:
                self._known[name] = [*key, digest]
                self._changed = True
            elif self._known.pop(name, None) is not None:
                self._changed = True
        return digest

    def _folder(self, name: str, full: str) -> str:
        found: dict[str, str] = {}
        for at, folders, files in os.walk(full):
            inside = at[len(full) + 1 :]
            # os.walk reads these after this turn: the stamp is older than the look.
            for folder in folders:
                self.note(os.path.join(name, inside, folder))
            for file in files:
                relative = os.path.join(inside, file)
                found[relative] = self._file(os.path.join(name, relative), os.path.join(at, file))
        return folder_digest(found)
