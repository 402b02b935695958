"""`etbuild cache`: show, shrink, check or empty the local store of the build cache. It contacts no remote cache."""

from __future__ import annotations

import argparse
import time

from etbuild.build_engine.cache.signing import verify as verify_record
from etbuild.build_engine.cache.store import Entry, Store
from etbuild.errors import UsageError
from etbuild.system import environment
from etbuild.system.files import sha256
from etbuild.system.sizes import parse_size, rounded_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("stats", help="print its folder, its size, and when it was last used")
    gc = actions.add_parser("gc", help="remove the files used longest ago")
    gc.add_argument("--max-size", metavar="SIZE", default="10G", help="size to leave, e.g. 500M; default: %(default)s")
    actions.add_parser("verify", help="check every file, remove damaged ones; exit code 1 when there were any")
    actions.add_parser("clear", help="remove everything")


def run(arguments: argparse.Namespace) -> int:
    settings = environment.cache_settings()
    if settings.folder is None:
        raise UsageError("ETBUILD_CACHE: got off, wanted a build cache\n    unset it, or set it to a folder")
    store = Store(settings.folder)
    if arguments.action == "stats":
        return stats(store)
    if arguments.action == "gc":
        return collect(store, parse_limit(arguments.max_size))
    if arguments.action == "verify":
        return verify(store, settings.secret)
    return clear(store)


def stats(store: Store) -> int:
    """Print the number of records and blobs, their size in all, and the first and last use."""
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
    """Remove the files used longest ago until the rest has at most `most_bytes` bytes.

    A record may remain when one of its blobs is removed; the next lookup deletes it.
    """
    files = sorted(store.files(), key=lambda file: file.used_ns)
    size = sum(file.size for file in files)
    removed = 0
    while size > most_bytes:
        store.delete(files[removed].name)
        size -= files[removed].size
        removed += 1
    store.remove_abandoned(time.time_ns())
    print(f"{store.folder}: removed {removed} files, {rounded_size(size)} left")
    return 0


def verify(store: Store, secret: bytes) -> int:
    """Remove damaged files; the exit code is 1 when there were any.

    secret: records without its signature count as damaged; b"" to accept unsigned records.
    """
    damaged = 0
    for file in store.files():
        if not _is_intact(file, secret):
            store.delete(file.name)
            print(f"{file.path}: damaged, removed")
            damaged += 1
    print(f"{store.folder}: {damaged} damaged")
    return 1 if damaged else 0


def clear(store: Store) -> int:
    """Remove the files that the cache wrote; other files in its folder stay."""
    removed = 0
    for file in store.files():
        store.delete(file.name)
        removed += 1
    store.remove_abandoned(time.time_ns(), older_than_s=0)
    print(f"{store.folder}: removed {removed} files")
    return 0


def parse_limit(text: str) -> int:
    """Bytes of a size such as "10G".

    raises: UsageError for any other text.
    """
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
