"""The action cache: what a step wrote, found again by the content that it came from. It decides and runs nothing.

The key of an action is a hash of the step's kind, arguments, names and content of its inputs, tool versions, own
source, kind of machine and the cache's format. A step with a depfile reads more than it declares, and what that was is
known only afterwards; so its first key leads to the lists of paths that such runs read, and a list with the digests of
what lies there now to the second key. Other steps have one list, the empty one.

The names in a store: lists/<first key>, actions/<second key>, blobs/<SHA-256>.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.cache.action import Action, StoredFile, files_of
from etbuild.build_engine.cache.key import first_key, second_key
from etbuild.build_engine.cache.remote import Remote
from etbuild.build_engine.cache.signing import seal, unseal
from etbuild.build_engine.cache.store import Store, create, name_of
from etbuild.system.digests import Digests

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Present, Record
    from etbuild.build_engine.step import Step
    from etbuild.system.tools import CacheSettings

# Of one first key; the oldest is forgotten. Each costs a look at its files.
MOST_LISTS = 16


class Cache:
    """What the steps of a project ask; safe to share between threads.

    store:  None for no cache at all.
    secret: the key that records are signed with; empty for none.
    """

    def __init__(self, store: Store | None = None, remote: Remote | None = None, secret: bytes = b""):
        self._store = store
        self._remote = remote
        self._secret = secret
        self._guard = threading.Lock()
        self._writable = True
        self._spoilt: set[str] = set()

    @classmethod
    def of(cls, settings: CacheSettings) -> Cache:
        if settings.folder is None:
            return cls()
        remote = Remote(settings.remote, settings.read_only) if settings.remote else None
        return cls(Store(settings.folder), remote, settings.secret)

    def key(self, step: Step, present: Present) -> str:
        """What the other methods know the step by; "" without a cache."""
        return first_key(step, present) if self._store else ""

    def claimed(self, key: str, name: str) -> AbstractContextManager[None]:
        """While one process makes the outputs of a key, others that want them wait, and then find them."""
        return self._store.claimed(key, name) if self._store else nullcontext()

    def find(self, step: Step, key: str, present: Present) -> Action | None:
        """The run that would be repeated now; no remote is asked when the local store knows one."""
        if self._store is None:
            return None
        found = self._find(self._store, step, key, present)
        if found is None and self._remote is not None:
            found = self._find(self._remote, step, key, present)
        return found

    def fetch(self, step: Step, key: str, action: Action, places: Mapping[str, Path]) -> bool:
        """Write each output to its place, which is new; False when one is lost or not what it was."""
        assert self._store is not None
        for output in places.keys() - {file.output for file in action.files}:
            places[output].mkdir(parents=True)  # A folder that was empty.
        # All of them, even after one that failed: each that is damaged has to be noticed, to be replaced.
        whole = [self._bring(file, places[file.output] / file.inner) for file in action.files]
        if not all(whole):
            self._store.drop(action.name)
            return False
        if self._store.read(action.name) is None:
            self._locally(lambda store: self._write(store, step, key, action))
        return True

    def keep(self, step: Step, key: str, record: Record, folder: Path) -> None:
        """Store what a run has written below the folder; of a cache that cannot take it the user is told once."""
        if self._store is None:
            return
        action = Action(name_of("actions", second_key(key, record.discovered)), record, tuple(files_of(step, folder)))
        digests = Digests(folder, folder / "digests.json")
        if any(digests.of(path) != digest for path, digest in record.outputs.items()):
            return  # Something of the step still writes.
        sources = {file: folder / file.output / file.inner for file in action.files}
        self._locally(lambda store: self._put(store, step, key, action, sources))
        if self._remote is not None and self._remote.writable:
            for file, source in sources.items():
                blob = name_of("blobs", file.digest)
                if file.digest in self._spoilt or not self._remote.has(blob, file.size):
                    self._remote.write(blob, source.read_bytes())
            self._write(self._remote, step, key, action)

    def _find(self, shelf: Store | Remote, step: Step, key: str, present: Present) -> Action | None:
        for paths in self._lists(shelf, key) if step.depfile is not None else [[]]:
            discovered = {path: _digest(present, path) for path in paths}
            if all(discovered.values()):
                name = name_of("actions", second_key(key, discovered))
                body = self._read(shelf, name)
                action = None if body is None else Action.from_bytes(name, body, step)
                if action is not None:
                    return action
        return None

    def _lists(self, shelf: Store | Remote, key: str) -> list[list[str]]:
        """The lists of paths that runs of this first key have read, the newest first."""
        try:
            lists = json.loads(self._read(shelf, name_of("lists", key)) or b"[]")
            return [[str(path) for path in paths] for paths in lists][:MOST_LISTS]
        except (ValueError, TypeError, RecursionError):
            return []

    def _read(self, shelf: Store | Remote, name: str) -> bytes | None:
        data = shelf.read(name)
        body = None if data is None else unseal(name, data, self._secret)
        if data is not None and body is None and isinstance(shelf, Store):
            shelf.drop(name)
        return body

    def _put(self, store: Store, step: Step, key: str, action: Action, sources: Mapping[StoredFile, Path]) -> None:
        for file, source in sources.items():
            store.put(source, file.digest)
        self._write(store, step, key, action)

    def _write(self, shelf: Store | Remote, step: Step, key: str, action: Action) -> None:
        """Write the record, after its blobs; a list that another writer loses costs one run."""
        shelf.write(action.name, seal(action.name, action.to_bytes(), self._secret))
        if step.depfile is not None:
            name, paths = name_of("lists", key), sorted(action.record.discovered)
            known = self._lists(shelf, key)
            if paths not in known:
                shelf.write(name, seal(name, json.dumps([paths, *known][:MOST_LISTS]).encode(), self._secret))

    def _bring(self, file: StoredFile, target: Path) -> bool:
        """Bring a blob from the local store, else from the remote: then to the local store too."""
        if self._store and self._store.take(file.digest, target, file.executable):
            return True
        data = self._remote.read(name_of("blobs", file.digest), file.size) if self._remote else None
        if data is None:
            return False
        if hashlib.sha256(data).hexdigest() != file.digest:
            self._spoilt.add(file.digest)
            return False
        try:
            with create(target, file.executable) as new:
                new.write(data)
        except OSError:
            return False
        self._locally(lambda store: store.put(target, file.digest))
        return True

    def _locally(self, write: Callable[[Store], None]) -> None:
        """Write to the local store until it refuses: a full disk is not to be filled again and again."""
        assert self._store is not None
        if not self._writable:
            return
        try:
            write(self._store)
        except OSError as error:
            with self._guard:
                told, self._writable = not self._writable, False
            if not told:
                text = f"{self._store.folder}: got {error.strerror or error}, wanted a cache that can be written"
                print(f"{text}\n    the build goes on without storing in it", file=sys.stderr)


def _digest(present: Present, path: str) -> str:
    """The digest of what lies there now, "" when that cannot be read: the path may come from anybody.

    A device never ends, and a folder may be the whole disk: outside of the project only a file is read.
    """
    try:
        place = Path(path)
        wanted = place.is_file() if place.is_absolute() else ".." not in place.parts
        return (present.digest(path) or "") if wanted else ""
    except (OSError, ValueError):
        return ""
