"""A cache folder each of whose entries has a list of its files' digests. It does not know what the files are.

<folder>/<key>.sha256   the list, in the format of sha256sum: one line a file, its name relative to the folder
<folder>/<key>...       the files of the entry; a folder <key>/ may contain them

<folder>/<key>.lock     locked by the process that writes the entry, from files <folder>/<key>.*

The list gets its name last. A file that no list names is being written, or was left by a process that was killed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from etbuild.system.files import sha256, try_lock

# What no list names is abandoned when it has not been written to for so long: no compilation takes so long.
ABANDONED_S = 24 * 3600

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


class ListedEntry(NamedTuple):
    """One entry. digests: by name. size: bytes of its files that exist. used_ns: when it was last written or used."""

    key: str
    digests: Mapping[str, str]
    size: int
    used_ns: int


@dataclass(frozen=True)
class ListedCache:
    """One folder, safe to share between processes that hold a lock while they write an entry. It need not exist yet."""

    folder: Path

    def holds(self, key: str) -> bool:
        """Whether the entry is complete and undamaged: every file is read. It counts as used now."""
        digests = self._digests(key)
        if not self._are_intact(digests):
            return False
        with suppress(OSError):
            os.utime(self._list(key))
        return True

    def add(self, key: str, made: Mapping[str, Path]) -> None:
        """Move files and folders into the cache as one entry, which replaces a damaged one.

        All bytes are on the disk before any has its final name, so that a power cut leaves no empty file under one.

        made: where each is, on the file system of the cache, by its name in the cache: the key, or it and a suffix.
        raises: OSError when it cannot be written.
        """
        lines = []
        for name, path in sorted(made.items()):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    inner = (name / file.relative_to(path)).as_posix() if path.is_dir() else name
                    lines.append(f"{_synced_digest(file)}  {inner}\n")
        self.delete(key)
        for name, path in made.items():
            _remove(self.folder / name)
            path.replace(self.folder / name)
        part = self.folder / f"{key}.{os.getpid()}.part"
        part.write_text("".join(lines), encoding="utf-8")
        _synced_digest(part)
        part.replace(self._list(key))

    def entries(self) -> Iterator[ListedEntry]:
        """All entries, damaged ones too, by key."""
        for path in sorted(self.folder.glob("*.sha256")):
            with suppress(OSError):
                used_ns = path.stat().st_mtime_ns
                digests = self._digests(path.stem)
                files = [self.folder / name for name in digests]
                yield ListedEntry(
                    path.stem, digests, sum(file.stat().st_size for file in files if file.is_file()), used_ns
                )

    def is_intact(self, entry: ListedEntry) -> bool:
        """Whether all its files have their digests."""
        return self._are_intact(entry.digests)

    def delete(self, key: str) -> int:
        """Remove an entry; how many files it had."""
        names = list(self._digests(key))
        _remove(self._list(key))
        for name in {name.partition("/")[0] for name in names}:
            _remove(self.folder / name)
        return len(names)

    def abandoned(self, now_ns: int, older_than_s: float = ABANDONED_S) -> Iterator[Path]:
        """Files and folders that no list names and no process writes: what killed processes left, old locks."""
        try:
            paths = sorted(self.folder.iterdir())
        except OSError:
            return
        named = {name.partition("/")[0] for entry in self.entries() for name in entry.digests}
        for path in paths:
            with suppress(OSError):
                old = now_ns - path.stat().st_mtime_ns >= older_than_s * 1e9
                if old and path.suffix != ".sha256" and path.name not in named and not _is_locked(path):
                    yield path

    def _list(self, key: str) -> Path:
        return self.folder / f"{key}.sha256"

    def _digests(self, key: str) -> dict[str, str]:
        """By name; none when the list is missing or damaged: a name leads neither out of the folder nor to the files of
        another entry."""
        try:
            lines = self._list(key).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return {}
        found = {match[2]: match[1] for match in map(_LINE.fullmatch, lines) if match}
        own = all(".." not in name and name.startswith((f"{key}.", f"{key}/")) for name in found)
        return found if own and len(found) == len(lines) else {}

    def _are_intact(self, digests: Mapping[str, str]) -> bool:
        try:
            return bool(digests) and all(sha256(self.folder / name) == digest for name, digest in digests.items())
        except OSError:
            return False


def remove(paths: Iterable[Path]) -> int:
    """Remove files and folders; how many."""
    return sum(_remove(path) for path in paths)


def _remove(path: Path) -> bool:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
    return False


def _synced_digest(file: Path) -> str:
    """The SHA-256 of a file, which is on the disk when this returns."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    return sha256(file)


def _is_locked(path: Path) -> bool:
    """Whether a process writes the entry that a file belongs to: it holds the lock <key>.lock, also of <key>.part."""
    try:
        with path.with_name(f"{path.name.partition('.')[0]}.lock").open("rb") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False
