"""The digests of what a step read, as its report passes them on to manifest.json."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from etbuild.system.files import sha256


def digests(paths: Iterable[Path | None]) -> dict[str, str]:
    """SHA-256 by path; a folder counts as its files. A file outside the project is named without its folder."""
    files: list[Path] = []
    for path in paths:
        if path is not None:
            files += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {(file.name if file.is_absolute() else file.as_posix()): sha256(file) for file in sorted(set(files))}
