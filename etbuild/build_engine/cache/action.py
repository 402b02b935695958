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

from etbuild.build_engine.cache.store import file_digest
from etbuild.build_engine.decision import Record
from etbuild.system.digests import folder_digest

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

# Of one file: more than any output, and a time-out that grows with it stays a time.
MOST_BYTES = 1 << 40

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
        try:
            record = Record.from_json(rest)
            files = tuple(StoredFile(*row) for row in json.loads(head))
        except (ValueError, TypeError, RecursionError):
            return None
        if record is None or not _is_record_of(record, step) or not all(_is_of(file, step) for file in files):
            return None
        return cls(name, record, files) if _are_outputs(files, record) else None


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


def _is_record_of(record: Record, step: Step) -> bool:
    """Whether a run of the step may have left it: it becomes the step's record where it is restored."""
    return (
        record.argv == step.argv
        and set(record.inputs) == set(map(str, step.inputs))
        and set(record.outputs) == set(map(str, step.outputs))
    )


def _are_outputs(files: tuple[StoredFile, ...], record: Record) -> bool:
    """Whether the files are, one by one, what the record says of the outputs; else the step would run every time."""
    found: dict[str, dict[str, str]] = {output: {} for output in record.outputs}
    for file in files:
        found[file.output][file.inner] = file.digest
    return all(
        (inner[""] if set(inner) == {""} else folder_digest(inner)) == record.outputs[output]
        for output, inner in found.items()
    )


def _is_of(file: StoredFile, step: Step) -> bool:
    """Whether the file lies where the step may write, and all its fields are what they should be."""
    return (
        file.output in map(str, step.outputs)
        and isinstance(file.inner, str)
        and _is_name(file.inner)
        and not {"/", ".."} & set(PurePosixPath(file.inner).parts)
        and isinstance(file.digest, str)
        and _SHA256.fullmatch(file.digest) is not None
        and isinstance(file.size, int)
        and 0 <= file.size < MOST_BYTES
        and isinstance(file.executable, bool)
    )


def _is_name(text: str) -> bool:
    """Whether the system takes it as a path at all."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
