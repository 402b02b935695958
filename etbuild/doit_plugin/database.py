"""doit's database, and its check of file dependencies, by content. Neither decides whether a step runs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.dependency import FileChangedChecker, JsonDB

from etbuild.system.digests import stat_of
from etbuild.system.files import write_atomic

if TYPE_CHECKING:
    from etbuild.system.digests import Digests


class Database(JsonDB):  # type: ignore[misc]
    """doit's JSON file, written atomically and only when something in it changed.

    stat: of the file, before it was read.
    """

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None):
        self._changed = False
        self.stat = stat_of(name)
        super().__init__(name, codec, module_name=module_name)

    def _load(self) -> dict[str, Any]:
        """A damaged file counts as none: it decides nothing, and is written again."""
        try:
            groups = self.codec.decode(Path(self.name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return groups if isinstance(groups, dict) and all(isinstance(one, dict) for one in groups.values()) else {}

    def set(self, task_id: str, dependency: str, value: object) -> None:
        # As JSON reads it back: doit saves every group at every run, with no dependencies.
        value = list(value) if isinstance(value, tuple) else value
        if self.get(task_id, dependency) != value:
            self._changed = True
            super().set(task_id, dependency, value)

    def remove(self, task_id: str) -> None:
        self._changed = True
        super().remove(task_id)

    def dump(self) -> None:
        """If the disk refuses, the next run only takes longer."""
        if not self._changed:
            return
        with suppress(OSError):
            write_atomic(Path(self.name), self.codec.encode(self._db))


def content_checker(digests: Digests) -> type[FileChangedChecker]:
    """doit's check of file dependencies, by digest; for other tasks of a dodo.py too."""

    class ContentChecker(FileChangedChecker):  # type: ignore[misc]
        # A file that the decision has just examined exists: it is not examined a second time.
        def exists(self, file_path: str) -> bool:
            return digests.was_found(file_path) or bool(super().exists(file_path))

        def info(self, file_path: str) -> os.stat_result | None:
            return None if digests.was_found(file_path) else super().info(file_path)

        def check_modified(self, file_path: str, file_stat: os.stat_result | None, state: str) -> bool:
            return digests.of(file_path) != state

        def get_state(self, dep: str, current_state: str | None) -> str | None:
            return digests.of(dep)

    return ContentChecker
