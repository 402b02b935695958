"""Folders that steps run in: one a run, taken while a process of it lives, swept away when none does."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Held while a sandbox is made or swept: between the two steps of making one it looks like a dead one.
GUARD = "guard"


class Sandboxes:
    """All sandboxes of a project, below `base`, on the same disk as its outputs.

    Beside each folder stands <folder>.lock. Its descriptor is inherited by the step's process, so after a kill of doit
    alone the folder stays taken until that process ends. A folder without a lock that is held is garbage.
    """

    def __init__(self, base: Path):
        self._base = base

    @contextmanager
    def opened(self, kind: str) -> Iterator[tuple[Path, int]]:
        """An empty folder, and the descriptor that says it lives."""
        self._base.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            self._sweep()
            descriptor, name = tempfile.mkstemp(".lock", f"{kind}-", self._base)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sandbox = Path(name).with_suffix("")
            sandbox.mkdir()
        try:
            yield sandbox, descriptor
        finally:
            shutil.rmtree(sandbox, ignore_errors=True)
            Path(name).unlink(missing_ok=True)
            os.close(descriptor)

    def discard(self, path: Path) -> None:
        """Remove a file or folder in one instant: a folder that is half removed never stands in its place."""
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        self._base.mkdir(parents=True, exist_ok=True)
        gone = Path(tempfile.mkdtemp("", "gone-", self._base))
        path.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with (self._base.parent / f"{self._base.name}.{GUARD}").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        for lock in self._base.glob("*.lock"):
            with suppress(OSError), lock.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.unlink()
        for folder in self._base.iterdir():
            if folder.suffix != ".lock" and not folder.with_name(f"{folder.name}.lock").exists():
                shutil.rmtree(folder, ignore_errors=True)
