"""`etbuild cache`: show, shrink, check or empty the caches of this user. It contacts no remote cache.

Those are the local store of the build cache, the compiled objects of firmwares, the host libraries, and the indexes
next to them; also what killed builds left there. Files that etbuild does not write stay.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from etbuild.build_engine.cache.signing import unseal
from etbuild.build_engine.cache.store import FORMAT, Entry, Store
from etbuild.errors import UsageError
from etbuild.firmware.toolchain import objects_cache
from etbuild.host.library import libraries_cache
from etbuild.system import environment
from etbuild.system.files import sha256
from etbuild.system.listed_cache import ABANDONED_S, ListedCache, remove
from etbuild.system.sizes import parse_size, rounded_size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("stats", help="print its folder, its size, and when it was last used")
    gc = actions.add_parser("gc", help="remove the files used longest ago")
    gc.add_argument("--max-size", metavar="SIZE", default="10G", help="size to leave, e.g. 500M; default: %(default)s")
    actions.add_parser("verify", help="check every file, remove damaged ones; exit code 1 when there were any")
    actions.add_parser("clear", help="remove everything")
    history = actions.add_parser("history", help="print hits and misses of the last builds of this project, and why")
    history.add_argument("--builds", metavar="N", default="5", help="how many, at most 50; default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "history":
        from etbuild.cli.cache_history import show

        return show(arguments.builds)
    settings = environment.cache_settings()
    if settings.folder is None:
        raise UsageError("ETBUILD_CACHE: got off, wanted a build cache\n    unset it, or set it to a folder")
    store, compiled = Store(settings.folder), (objects_cache(), libraries_cache())
    if arguments.action == "stats":
        return stats(store, compiled)
    if arguments.action == "gc":
        code = collect(store, parse_limit(arguments.max_size), compiled)
        _sweep(compiled, ABANDONED_S)
        return code
    if arguments.action == "verify":
        return verify(store, compiled)
    return clear(store, compiled)


class _Used(NamedTuple):
    """One thing that gc may remove. delete: removes it, and returns how many files that were."""

    used_ns: int
    size: int
    folder: Path
    delete: Callable[[], int]


def stats(store: Store, compiled: Sequence[ListedCache] = ()) -> int:
    """Print the number of records and blobs, their size in all, the first and last use, and what else there is.

    compiled: objects and host libraries.
    """
    files = list(store.files())
    print(f"folder       {store.folder}")
    print(f"actions      {sum(file.name.startswith('actions/') for file in files)}")
    print(f"blobs        {sum(file.name.startswith('blobs/') for file in files)}")
    print(f"size         {rounded_size(sum(file.size for file in files))}")
    uses = sorted(file.used_ns for file in files)
    for text, used_ns in (("oldest use", uses[0]), ("last use", uses[-1])) if uses else ():
        print(f"{text:<12} {time.strftime('%Y-%m-%d %H:%M', time.localtime(used_ns / 1e9))}")
    for cache in compiled:
        if entries := list(cache.entries()):
            size = rounded_size(sum(entry.size for entry in entries))
            print(f"{cache.folder.name:<12} {len(entries)} in {cache.folder}, {size}")
    unfinished = [*_unfinished(compiled, 0), *(store.folder / f"v{FORMAT}/tmp").glob("*")]
    if unfinished:
        print(f"unfinished   {len(unfinished)} files, of running and of killed builds")
    return 0


def collect(store: Store, most_bytes: int, compiled: Sequence[ListedCache] = ()) -> int:
    """Remove the files used longest ago until the rest has at most `most_bytes` bytes.

    A record may remain when one of its blobs is removed; the next lookup deletes it.

    compiled: as for `stats`; their bytes count too.
    """
    used = sorted(_used(store, compiled), key=lambda one: one.used_ns)
    folders = {store.folder: 0, **dict.fromkeys((one.folder for one in used), 0)}
    removed = dict.fromkeys(folders, 0)
    for one in used:
        folders[one.folder] += one.size
    for one in used:
        if sum(folders.values()) <= most_bytes:
            break
        removed[one.folder] += one.delete()
        folders[one.folder] -= one.size
    store.remove_abandoned(time.time_ns())
    for folder, size in folders.items():
        print(f"{folder}: removed {removed[folder]} files, {rounded_size(size)} left")
    return 0


def verify(store: Store, compiled: Sequence[ListedCache] = ()) -> int:
    """Remove damaged files; the exit code is 1 when there were any. compiled: as for `stats`."""
    found = {store.folder: 0}
    for file in store.files():
        if not _is_intact(file):
            store.delete(file.name)
            print(f"{file.path}: damaged, removed")
            found[store.folder] += 1
    for cache in compiled:
        for entry in list(cache.entries()):
            found.setdefault(cache.folder, 0)
            if not cache.is_intact(entry):
                cache.delete(entry.key)
                print(f"{cache.folder / entry.key}: damaged, removed")
                found[cache.folder] += 1
    for folder, damaged in found.items():
        print(f"{folder}: {damaged} damaged")
    return 1 if any(found.values()) else 0


def clear(store: Store, compiled: Sequence[ListedCache] = ()) -> int:
    """Remove the files that the caches wrote; other files in their folders stay. compiled: as for `stats`."""
    removed = {store.folder: 0}
    for one in list(_used(store, compiled)):
        removed[one.folder] = removed.get(one.folder, 0) + one.delete()
    store.remove_abandoned(time.time_ns(), older_than_s=0)
    for folder, count in removed.items():
        print(f"{folder}: removed {count} files")
    if compiled:
        _sweep(compiled, 0)
        remove(environment.cache_folder().glob("*.json"))
    return 0


def _used(store: Store, compiled: Sequence[ListedCache]) -> Iterator[_Used]:
    """Everything that the caches hold."""
    for file in store.files():
        yield _Used(file.used_ns, file.size, store.folder, partial(_delete, store, file.name))
    for cache in compiled:
        for entry in cache.entries():
            yield _Used(entry.used_ns, entry.size, cache.folder, partial(cache.delete, entry.key))


def _delete(store: Store, name: str) -> int:
    store.delete(name)
    return 1


def _unfinished(compiled: Sequence[ListedCache], older_than_s: float) -> Iterator[Path]:
    """Parts of objects, libraries and indexes, and locks, that are in no entry and were not written for so long."""
    now_ns = time.time_ns()
    for cache in compiled:
        yield from cache.abandoned(now_ns, older_than_s)
    for part in environment.cache_folder().glob("*.json.*") if compiled else ():
        with suppress(OSError):
            if now_ns - part.stat().st_mtime_ns >= older_than_s * 1e9:
                yield part


def _sweep(compiled: Sequence[ListedCache], older_than_s: float) -> None:
    if count := remove(list(_unfinished(compiled, older_than_s))):
        print(f"{environment.cache_folder()}: removed {count} unfinished files of earlier builds")


def parse_limit(text: str) -> int:
    """Bytes of a size such as "10G".

    raises: UsageError for any other text.
    """
    size = parse_size(text)
    if size is None:
        raise UsageError(f'--max-size: got "{text}", wanted a size such as 10G or 500M')
    return size


def _is_intact(file: Entry) -> bool:
    try:
        if file.name.startswith("blobs/"):
            return sha256(file.path) == file.path.name
        return unseal(file.name, file.path.read_bytes()) is not None
    except OSError:
        return not file.path.exists()
