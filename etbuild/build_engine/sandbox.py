"""Folders that steps run in: one a run, in use while a process of it lives, removed when none does."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etbuild.system.files import lock, locked, try_lock

# Held while a sandbox is created or removed: between the two steps of its creation it looks abandoned.
GUARD = "guard"


def link_inputs(paths: Iterable[str], root: Path, sandbox: Path) -> None:
    """Make files and folders available in a sandbox, under their own relative paths; none is in another one.

    paths: relative to the root.
    """
    for path in paths:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
        (sandbox / path).symlink_to(root / path)


class Sandboxes:
    """All sandboxes of a project, below `base`, on the same disk as its outputs.

    Next to each folder is <folder>.lock. The step's process inherits its descriptor, so after a kill of doit alone the
    folder stays in use until that process ends. A folder whose lock no process holds is abandoned.
    """

    def __init__(self, base: Path):
        self._base = base

    @contextmanager
    def opened(self, kind: str) -> Iterator[tuple[Path, int]]:
        """An empty folder, and the descriptor that marks it as in use."""
        self._base.mkdir(parents=True, exist_ok=True)
        with self._guarded():
            self._remove_abandoned()
            descriptor, name = tempfile.mkstemp(".lock", f"{kind}-", self._base)
            lock(descriptor)
            sandbox = Path(name).with_suffix("")
            sandbox.mkdir()
        try:
            yield sandbox, descriptor
        finally:
            shutil.rmtree(sandbox, ignore_errors=True)
            Path(name).unlink(missing_ok=True)
            os.close(descriptor)

    def discard(self, path: Path) -> None:
        """Remove a file or folder at once: a folder is renamed first, so a half removed one never has its name."""
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
            return
        self._base.mkdir(parents=True, exist_ok=True)
        gone = Path(tempfile.mkdtemp("", "gone-", self._base))
        path.replace(gone)
        shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with locked(self._base.parent / f"{self._base.name}.{GUARD}"):
            yield

    def _remove_abandoned(self) -> None:
        for lock_file in self._base.glob("*.lock"):
            with suppress(OSError), lock_file.open("r+") as file:
                if try_lock(file):
                    lock_file.unlink()
        for folder in self._base.iterdir():
            if folder.suffix != ".lock" and not folder.with_name(f"{folder.name}.lock").exists():
                shutil.rmtree(folder, ignore_errors=True)
