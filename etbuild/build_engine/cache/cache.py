"""The action cache: outputs of steps, found by the content that they came from. It decides and runs nothing.

The first key of a step is a hash of its kind, arguments, paths and content of its inputs, tool versions, own source,
the kind of machine and the format of the cache. A step with a depfile reads more than it declares, known only after a
run. So lists/<first key> holds the lists of paths that such runs have read, and the first key with the current digests
of one list gives the second key. Other steps have one list, the empty one.

Names in a store: lists/<first key>, actions/<second key>, blobs/<SHA-256>.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.cache.action import Action, StoredFile, files_of
from etbuild.build_engine.cache.key import first_key, second_key
from etbuild.build_engine.cache.remote import Remote
from etbuild.build_engine.cache.signing import NO_MARK, Keys, seal
from etbuild.build_engine.cache.store import Store, create, name_of
from etbuild.system.digests import Digests

if TYPE_CHECKING:
    from etbuild.build_engine.decision import CurrentState, Record
    from etbuild.build_engine.step import Step
    from etbuild.system.environment import CacheSettings

# Of all files outside the project that an unsigned remote may have read to look for one result.
UNSIGNED_BYTES = 1 << 30

# Of one first key; the oldest is dropped. Each costs a look at its files.
MOST_LISTS = 16


class Cache:
    """A local store and an optional remote; safe to share between threads.

    store: None for no cache at all.
    keys:  whose records are read from the remote, and with what own ones are signed.
    """

    def __init__(self, store: Store | None = None, remote: Remote | None = None, keys: Keys | None = None):
        self._store = store
        self._remote = remote
        self._keys = keys or Keys()
        self._guard = threading.Lock()
        self._writable = True
        self._damaged: set[str] = set()

    @classmethod
    def of(cls, settings: CacheSettings) -> Cache:
        if settings.folder is None:
            return cls()
        keys = Keys.of(settings)
        read_only = settings.read_only or not keys.may_write
        return cls(Store(settings.folder), Remote(settings.remote, read_only) if settings.remote else None, keys)

    def key(self, step: Step, current: CurrentState) -> str:
        """The step's first key, for the other methods; "" without a cache."""
        return first_key(step, current) if self._store else ""

    def claimed(self, key: str, name: str) -> AbstractContextManager[None]:
        """While one process makes the outputs of a key, others that want them wait, then find them in the cache."""
        return self._store.claimed(key, name) if self._store else nullcontext()

    def find(self, step: Step, key: str, current: CurrentState) -> Action | None:
        """A stored run with the same inputs; the remote is asked only when the local store has none."""
        if self._store is None:
            return None
        found = self._find(self._store, step, key, current)
        if found is None and self._remote is not None:
            found = self._find(self._remote, step, key, current)
        return found

    def fetch(self, step: Step, key: str, action: Action, targets: Mapping[str, Path]) -> bool:
        """Write each output to its target, a new path; False when a blob is missing or damaged."""
        assert self._store is not None
        for output in targets.keys() - {file.output for file in action.files}:
            targets[output].mkdir(parents=True)  # An empty folder.
        # All of them, even after a failure: every damaged blob has to be found, so that it is replaced.
        fetched = [self._fetch(file, targets[file.output] / file.inner) for file in action.files]
        if not all(fetched):
            self._store.delete(action.name)
            return False
        if self._store.read(action.name) is None:
            self._locally(lambda store: self._write(store, step, key, action, self._keys.origin))
        return True

    def store(self, step: Step, key: str, record: Record, folder: Path) -> None:
        """Store what a run has written below the folder; if the cache cannot, that is reported once."""
        if self._store is None:
            return
        name = name_of("actions", second_key(key, record.discovered))
        action = Action(name, record, tuple(files_of(step.outputs, folder)))
        digests = Digests(folder, folder / "digests.json")
        if any(digests.of(path) != digest for path, digest in record.outputs.items()):
            return  # A process of the step is still writing.
        self._locally(lambda store: self._store_action(store, step, key, action, folder))
        if self._remote is not None and self._remote.writable:
            for file in action.files:
                blob = name_of("blobs", file.digest)
                if file.digest in self._damaged or not self._remote.has(blob, file.size):
                    self._remote.write(blob, (folder / file.output / file.inner).read_bytes())
            self._write(self._remote, step, key, action)

    def _find(self, storage: Store | Remote, step: Step, key: str, current: CurrentState) -> Action | None:
        for paths in self._lists(storage, key) if step.depfile else [[]]:
            discovered = {path: _digest(current, path) for path in paths}
            if all(discovered.values()):
                name = name_of("actions", second_key(key, discovered))
                body = self._read(storage, name)
                action = None if body is None else Action.from_bytes(name, body, step)
                if action is not None and _answers(action, step, key, current):
                    return action
        return None

    def _lists(self, storage: Store | Remote, key: str) -> list[list[str]]:
        """The lists of paths that runs with this first key have read, newest first."""
        try:
            lists = json.loads(self._read(storage, name_of("lists", key)) or b"[]")
            found = [[str(path) for path in paths] for paths in lists][:MOST_LISTS]
            return _affordable(found) if isinstance(storage, Remote) and self._keys.unsigned else found
        except (ValueError, TypeError, RecursionError):
            return []

    def _read(self, storage: Store | Remote, name: str) -> bytes | None:
        data = storage.read(name)
        if data is None:
            return None
        if isinstance(storage, Remote):
            return self._keys.verify(name, data)
        body = self._keys.verify_local(name, data)
        if body is None:
            storage.delete(name)
        return body

    def _store_action(self, store: Store, step: Step, key: str, action: Action, folder: Path) -> None:
        for file in action.files:
            store.put(folder / file.output / file.inner, file.digest)
        self._write(store, step, key, action)

    def _write(self, storage: Store | Remote, step: Step, key: str, action: Action, origin: bytes = NO_MARK) -> None:
        """Write the record, after its blobs. Two writers of a list at once may lose an entry, which costs one run."""
        seal_for = self._keys.sign if isinstance(storage, Remote) else partial(seal, mark=origin)
        storage.write(action.name, seal_for(action.name, action.to_bytes()))
        if step.depfile:
            name, paths = name_of("lists", key), sorted(action.record.discovered)
            known = self._lists(storage, key)
            if paths not in known:
                storage.write(name, seal_for(name, json.dumps([paths, *known][:MOST_LISTS]).encode()))

    def _fetch(self, file: StoredFile, target: Path) -> bool:
        """Copy a blob from the local store, else from the remote, and then also to the local store."""
        if self._store and self._store.get(file.digest, target, file.executable):
            return True
        data = self._remote.read(name_of("blobs", file.digest), file.size) if self._remote else None
        if data is None:
            return False
        if hashlib.sha256(data).hexdigest() != file.digest:
            self._damaged.add(file.digest)
            return False
        try:
            with create(target, file.executable) as new:
                new.write(data)
        except OSError:
            return False
        self._locally(lambda store: store.put(target, file.digest))
        return True

    def _locally(self, write: Callable[[Store], None]) -> None:
        """Write to the local store until it fails once: a full disk is not tried again and again."""
        assert self._store is not None
        if not self._writable:
            return
        try:
            write(self._store)
        except OSError as error:
            with self._guard:
                reported, self._writable = not self._writable, False
            if not reported:
                text = f"{self._store.folder}: got {error.strerror or error}, wanted a cache that can be written"
                print(f"{text}\n    the build goes on without storing in it", file=sys.stderr)


def _answers(action: Action, step: Step, key: str, current: CurrentState) -> bool:
    """Whether the record says of the step's inputs what its name says: it becomes the record of the step.

    With other digests or more paths in it the step would never be up to date again.
    """
    record = action.record
    return (
        action.name == name_of("actions", second_key(key, record.discovered))
        and record.inputs == {path: current.digest(path) for path in step.inputs}
        and record.tools == dict(current.tools(step))
        and record.source == dict(current.source(step))
    )


def _digest(current: CurrentState, path: str) -> str:
    """The current digest of a path from a list; "" when it cannot be read: the list may come from anybody.

    A device never ends, and a folder may be the whole disk: outside the project only a regular file is read, and
    within it neither the project as a whole nor build/, which no step reads.
    """
    try:
        file = Path(path)
        if file.is_absolute():
            allowed = file.is_file() and file.resolve().parts[1] not in ("dev", "proc", "sys")
        else:
            allowed = ".." not in file.parts and file.parts[:1] not in ((), ("build",))
        return (current.digest(path) or "") if allowed else ""
    except (OSError, ValueError):
        return ""


def _affordable(lists: list[list[str]]) -> list[list[str]]:
    """The lists, up to the first one with which there is more than UNSIGNED_BYTES to read outside the project."""
    total = 0
    for number, paths in enumerate(lists):
        total += sum(_bytes_outside(path) for path in paths)
        if total > UNSIGNED_BYTES:
            return lists[:number]
    return lists


def _bytes_outside(path: str) -> int:
    """The size of a file outside the project; 0 for all else."""
    try:
        return Path(path).stat().st_size if path.startswith("/") else 0
    except (OSError, ValueError):
        return 0
