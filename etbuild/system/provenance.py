"""The digests of what a step read, as its report hands them on to manifest.json."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digests(paths: Iterable[Path | None]) -> dict[str, str]:
    """SHA-256 by path; a folder counts as its files. A file outside the project goes by its name alone."""
    files: list[Path] = []
    for path in paths:
        if path is not None:
            files += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {(file.name if file.is_absolute() else file.as_posix()): sha256(file) for file in sorted(set(files))}


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
