"""A remote cache in memory, and runs of one step to store, find and fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.build_engine.cache.remote import Remote
from etbuild.build_engine.cache.signing import Keys
from etbuild.build_engine.decision import CurrentState, Record
from etbuild.build_engine.step import Step
from etbuild.system.digests import Digests

if TYPE_CHECKING:
    from etbuild.build_engine.cache.action import Action
    from etbuild.build_engine.cache.cache import Cache
    from etbuild.build_engine.cache.store import Store

STEP = Step("export:r", ("--x",), ("model.py",), ("build/a.bin", "build/tree", "build/empty"))
TRACED = STEP._replace(depfile="build/a.bin")
UNSIGNED = Keys(unsigned=True)
ONE = hashlib.sha256(b"1").hexdigest()


class MemoryRemote(Remote):
    """content: by name; asked: every request."""

    def __init__(self, read_only: bool = False):
        super().__init__("memory://remote", read_only)
        self.content: dict[str, bytes] = {}
        self.asked: list[tuple[object, ...]] = []

    def read(self, name: str, size: int = 0) -> bytes | None:
        self.asked.append(("read", name, size))
        return self.content.get(name)

    def write(self, name: str, data: bytes) -> None:
        self.asked.append(("write", name))
        self.content[name] = data

    def has(self, name: str, size: int) -> bool:
        return name in self.content and len(self.content[name]) == size


def state(**changed: str | None) -> CurrentState:
    """model.py is m1, every other file has the digest of its name."""
    files: dict[str, str | None] = {"model.py": "m1", **changed}
    return CurrentState(
        lambda path: files.get(str(path), f"digest of {path}"), lambda _: {"vela": "5"}, lambda _: {"export.py": "s"}
    )


def record(folder: Path, discovered: Mapping[str, str] | None = None) -> Record:
    """Of a run that has written its outputs below the folder."""
    (folder / "build/tree").mkdir(parents=True, exist_ok=True)
    (folder / "build/empty").mkdir(exist_ok=True)
    (folder / "build/a.bin").write_bytes(b"1")
    (folder / "build/tree/b").write_bytes(b"2")
    found = Digests(folder, folder / "none")
    outputs = {path: found.of(path) or "" for path in STEP.outputs}
    return Record(STEP.argv, {"vela": "5"}, {"export.py": "s"}, {"model.py": "m1"}, discovered or {}, outputs)


def store(cache: Cache, folder: Path, step: Step = STEP, discovered: Mapping[str, str] | None = None) -> None:
    cache.store(step, cache.key(step, state()), record(folder, discovered), folder)


def find(cache: Cache, step: Step = STEP, **changed: str | None) -> Action | None:
    current = state(**changed)
    return cache.find(step, cache.key(step, state()), current)


def fetch(cache: Cache, action: Action, folder: Path) -> bool:
    targets = {output: folder / str(number) for number, output in enumerate(STEP.outputs)}
    return cache.fetch(STEP, cache.key(STEP, state()), action, targets)


def names(cache_store: Store) -> list[str]:
    return [entry.name for entry in cache_store.files()]
