"""One action as it is stored: the record of the run, and the files that it left. It touches no store.

A line of JSON, [[output, inner, digest, size, executable], ...], then the record as decision.py writes it. The list
holds the files of output folders too, so it is their tree.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from etbuild.cache.store import file_digest
from etbuild.decision import Record

if TYPE_CHECKING:
    from etbuild.step import Step

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredFile:
    """A file that a step has left. output: of the step's; inner: the path below it, "" for the output itself."""

    output: str
    inner: str
    digest: str
    size: int
    executable: bool


@dataclass(frozen=True)
class Action:
    """A run of a step that ended well. name: where it lies."""

    name: str
    record: Record
    files: tuple[StoredFile, ...]

    def to_bytes(self) -> bytes:
        return f"{json.dumps([astuple(file) for file in self.files])}\n{self.record.to_json()}".encode()

    @classmethod
    def from_bytes(cls, name: str, data: bytes, step: Step) -> Action | None:
        """The action; None when the data is not one of this step: it may come from anybody."""
        head, _, rest = data.partition(b"\n")
        record = Record.from_json(rest)
        try:
            files = tuple(StoredFile(*row) for row in json.loads(head))
        except (ValueError, TypeError):
            return None
        if record is None or set(record.outputs) != set(map(str, step.outputs)):
            return None
        return cls(name, record, files) if all(_is_of(file, step) for file in files) else None


def files_of(step: Step, folder: Path) -> Iterator[StoredFile]:
    """What a run of the step has left below the folder."""
    for output in map(str, step.outputs):
        if not (folder / output).is_dir():
            yield _stored(folder, output, "")
            continue
        for at, _, names in os.walk(folder / output):
            for name in sorted(names):
                yield _stored(folder, output, (Path(at) / name).relative_to(folder / output).as_posix())


def _stored(folder: Path, output: str, inner: str) -> StoredFile:
    path = folder / output / inner
    stat = path.stat()
    return StoredFile(output, inner, file_digest(path), stat.st_size, bool(stat.st_mode & 0o100))


def _is_of(file: StoredFile, step: Step) -> bool:
    """Whether the file lies where the step may write, and all its fields are what they should be."""
    return (
        file.output in map(str, step.outputs)
        and isinstance(file.inner, str)
        and "\0" not in file.inner
        and not {"/", ".."} & set(PurePosixPath(file.inner).parts)
        and isinstance(file.digest, str)
        and _SHA256.fullmatch(file.digest) is not None
        and isinstance(file.size, int)
        and isinstance(file.executable, bool)
    )
