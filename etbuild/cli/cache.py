"""`etbuild cache`: what the local store holds, and the ways to make it smaller. It never asks the remote."""

from __future__ import annotations

import argparse
import math
import re
import time

from etbuild.build_engine.cache.signing import unseal
from etbuild.build_engine.cache.store import Kept, Store, file_digest
from etbuild.errors import UsageError
from etbuild.system import tools

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def run(arguments: argparse.Namespace) -> int:
    settings = tools.cache_settings()
    if settings.folder is None:
        raise UsageError("ETBUILD_CACHE: got off, wanted a cache to look at\n    unset it, or set it to a folder")
    store = Store(settings.folder)
    if arguments.action == "stats":
        return stats(store)
    if arguments.action == "gc":
        return collect(store, size_of(arguments.max_size))
    if arguments.action == "verify":
        return verify(store, settings.secret)
    return clear(store)


def stats(store: Store) -> int:
    files = list(store.files())
    print(f"folder       {store.folder}")
    print(f"actions      {sum(file.name.startswith('actions/') for file in files)}")
    print(f"blobs        {sum(file.name.startswith('blobs/') for file in files)}")
    print(f"size         {_write_size(sum(file.size for file in files))}")
    uses = sorted(file.used_ns for file in files)
    for text, used_ns in (("oldest use", uses[0]), ("last use", uses[-1])) if uses else ():
        print(f"{text:<12} {time.strftime('%Y-%m-%d %H:%M', time.localtime(used_ns / 1e9))}")
    return 0


def collect(store: Store, most_bytes: int) -> int:
    """Remove files, the one used longest ago first, until the rest has at most that size.

    A record may outlive one of its blobs: it is dropped when it is next asked for.
    """
    files = sorted(store.files(), key=lambda file: file.used_ns)
    size = sum(file.size for file in files)
    removed = 0
    while size > most_bytes:
        store.drop(files[removed].name)
        size -= files[removed].size
        removed += 1
    store.sweep(time.time_ns())
    print(f"{store.folder}: removed {removed} files, {_write_size(size)} stay")
    return 0


def verify(store: Store, secret: bytes) -> int:
    """secret: records that are not signed with it count as damaged; empty when any will do."""
    damaged = 0
    for file in store.files():
        if not _is_whole(file, secret):
            store.drop(file.name)
            print(f"{file.path}: damaged, dropped")
            damaged += 1
    print(f"{store.folder}: {damaged} damaged")
    return 1 if damaged else 0


def clear(store: Store) -> int:
    """Remove what the cache itself has written; of other files in its folder it knows nothing."""
    removed = 0
    for file in store.files():
        store.drop(file.name)
        removed += 1
    store.sweep(time.time_ns(), older_than_s=0)
    print(f"{store.folder}: removed {removed} files")
    return 0


def size_of(text: str) -> int:
    """Bytes of "10G", "500M", "0"; K, M, G and T are powers of 1024."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = float(match[1]) * _UNITS[match[2].upper()] if match else math.inf
    if size == math.inf:
        raise UsageError(f'--max-size: got "{text}", wanted a size such as 10G or 500M')
    return int(size)


def _is_whole(file: Kept, secret: bytes) -> bool:
    try:
        if file.name.startswith("blobs/"):
            return file_digest(file.path) == file.path.name
        return unseal(file.name, file.path.read_bytes(), secret) is not None
    except OSError:
        return not file.path.exists()


def _write_size(size: int) -> str:
    for unit in "TGMK":
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:.1f} {unit}iB"
    return f"{size} B"
