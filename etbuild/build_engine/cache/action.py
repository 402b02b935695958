"""An action as it is stored: the record of a run, and the files that it wrote. It uses no store.

Format: a line of JSON, [[output, inner, digest, size, executable], ...], then the record as decision.py writes it. The
list includes the files in output folders, so it describes their trees.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from etbuild.build_engine.decision import Record
from etbuild.system.digests import folder_digest
from etbuild.system.files import sha256

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

# Of one file, and of a process: larger than any, small enough for a time-out and a sum that grow with it.
MOST_BYTES = 1 << 40
MOST_SECONDS = 1e8

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredFile:
    """A file that a step has written. output: of the step; inner: the path below it, "" for the output itself."""

    output: str
    inner: str
    digest: str
    size: int
    executable: bool


@dataclass(frozen=True)
class Action:
    """A successful run of a step. name: of its record in the cache."""

    name: str
    record: Record
    files: tuple[StoredFile, ...]

    def to_bytes(self) -> bytes:
        return f"{json.dumps([astuple(file) for file in self.files])}\n{self.record.to_json()}".encode()

    @classmethod
    def from_bytes(cls, name: str, data: bytes, step: Step) -> Action | None:
        """The action; None when the data is no action of this step: it may come from anybody."""
        head, _, rest = data.partition(b"\n")
        try:
            record = Record.from_json(rest)
            files = tuple(StoredFile(*row) for row in json.loads(head))
        except (ValueError, TypeError, RecursionError):
            return None
        if record is None or not _is_record_of(record, step) or not all(_is_of(file, step) for file in files):
            return None
        return cls(name, record, files) if _are_outputs(files, record) else None


def files_of(outputs: Iterable[str], folder: Path) -> Iterator[StoredFile]:
    """The files of these outputs, which are paths below the folder."""
    for output in outputs:
        base = folder / output
        if base.is_dir():
            for at, _, names in os.walk(base):
                for name in sorted(names):
                    yield _stored(folder, output, (Path(at) / name).relative_to(base).as_posix())
        else:
            yield _stored(folder, output, "")


def _stored(folder: Path, output: str, inner: str) -> StoredFile:
    path = folder / output / inner
    stat = path.stat()
    return StoredFile(output, inner, sha256(path), stat.st_size, bool(stat.st_mode & 0o100))


def _is_record_of(record: Record, step: Step) -> bool:
    """Whether a run of this step can have written it: it becomes the step's record where it is restored."""
    return (
        record.argv == step.argv
        and set(record.inputs) == set(step.inputs)
        and set(record.outputs) == set(step.outputs)
        and 0 <= record.seconds <= MOST_SECONDS
        and 0 <= record.peak_bytes <= MOST_BYTES
    )


def _are_outputs(files: tuple[StoredFile, ...], record: Record) -> bool:
    """Whether the files have the digests of the record's outputs; else the restored step would run every time."""
    found: dict[str, dict[str, str]] = {output: {} for output in record.outputs}
    for file in files:
        found[file.output][file.inner] = file.digest
    return all(
        (inner[""] if set(inner) == {""} else folder_digest(inner)) == record.outputs[output]
        for output, inner in found.items()
    )


def _is_of(file: StoredFile, step: Step) -> bool:
    """Whether the file is in an output of the step, and all its fields are valid."""
    return (
        file.output in step.outputs
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
    """Whether the operating system accepts it as a path at all, and it has no character that controls a terminal."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return all(unicodedata.category(letter) not in ("Cc", "Cf", "Zl", "Zp") for letter in text)
