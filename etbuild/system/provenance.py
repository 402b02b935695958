"""What a step read and was asked for, as its report passes it on to manifest.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from etbuild.system.files import files_in, sha256


def digests(paths: Iterable[Path | None]) -> dict[str, str]:
    """SHA-256 by path; a folder counts as its files. A file outside the project is named without its folder."""
    files = {file for path in paths if path is not None for file in files_in(path)}
    return {(file.name if file.is_absolute() else file.as_posix()): sha256(file) for file in sorted(files)}


def depfile_digests(depfile: Path | None) -> dict[str, str]:
    """The digests in the depfile that the step has written; none without one."""
    found: dict[str, str] = json.loads(depfile.read_bytes())["digests"] if depfile else {}
    return found


def settings(argv: Sequence[str]) -> list[str]:
    """The words of a step's command line but for the files of the build; a file outside the project is named without
    its folder, so equal builds in two folders have equal settings."""
    found: list[str] = []
    for word in argv:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if value.startswith("build/"):
            if not option and found and found[-1].startswith("--"):
                found.pop()
            continue
        found.append(f"{option}{equals}{Path(value).name}" if value.startswith("/") else word)
    return found
