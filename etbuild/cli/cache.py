"""`etbuild cache`: what the local store contains, and ways to make it smaller. It never asks the remote."""

from __future__ import annotations

import argparse
import time

from etbuild.build_engine.cache.signing import verify as verify_record
from etbuild.build_engine.cache.store import Entry, Store
from etbuild.errors import UsageError
from etbuild.system import environment
from etbuild.system.files import sha256
from etbuild.system.sizes import parse_size, rounded_size


def run(arguments: argparse.Namespace) -> int:
    settings = environment.cache_settings()
    if settings.folder is None:
        raise UsageError("ETBUILD_CACHE: got off, wanted a cache to look at\n    unset it, or set it to a folder")
    store = Store(settings.folder)
    if arguments.action == "stats":
        return stats(store)
    if arguments.action == "gc":
        return collect(store, parse_limit(arguments.max_size))
    if arguments.action == "verify":
        return verify(store, settings.secret)
    return clear(store)


def stats(store: Store) -> int:
    files = list(store.files())
    print(f"folder       {store.folder}")
    print(f"actions      {sum(file.name.startswith('actions/') for file in files)}")
    print(f"blobs        {sum(file.name.startswith('blobs/') for file in files)}")
    print(f"size         {rounded_size(sum(file.size for file in files))}")
    uses = sorted(file.used_ns for file in files)
    for text, used_ns in (("oldest use", uses[0]), ("last use", uses[-1])) if uses else ():
        print(f"{text:<12} {time.strftime('%Y-%m-%d %H:%M', time.localtime(used_ns / 1e9))}")
    return 0


def collect(store: Store, most_bytes: int) -> int:
    """Remove files, the one used longest ago first, until the rest has at most that size.

    A record may outlive one of its blobs: it is deleted when it is next looked up.
    """
    files = sorted(store.files(), key=lambda file: file.used_ns)
    size = sum(file.size for file in files)
    removed = 0
    while size > most_bytes:
        store.delete(files[removed].name)
        size -= files[removed].size
        removed += 1
    store.remove_abandoned(time.time_ns())
    print(f"{store.folder}: removed {removed} files, {rounded_size(size)} stay")
    return 0


def verify(store: Store, secret: bytes) -> int:
    """secret: records that are not signed with it count as damaged; empty when any will do."""
    damaged = 0
    for file in store.files():
        if not _is_intact(file, secret):
            store.delete(file.name)
            print(f"{file.path}: damaged, dropped")
            damaged += 1
    print(f"{store.folder}: {damaged} damaged")
    return 1 if damaged else 0


def clear(store: Store) -> int:
    """Remove what the cache itself has written, and no other files in its folder."""
    removed = 0
    for file in store.files():
        store.delete(file.name)
        removed += 1
    store.remove_abandoned(time.time_ns(), older_than_s=0)
    print(f"{store.folder}: removed {removed} files")
    return 0


def parse_limit(text: str) -> int:
    """raises: UsageError for what is no size."""
    size = parse_size(text)
    if size is None:
        raise UsageError(f'--max-size: got "{text}", wanted a size such as 10G or 500M')
    return size


def _is_intact(file: Entry, secret: bytes) -> bool:
    try:
        if file.name.startswith("blobs/"):
            return sha256(file.path) == file.path.name
        return verify_record(file.name, file.path.read_bytes(), secret) is not None
    except OSError:
        return not file.path.exists()
