"""What was tried, in a file that grows by a line for each candidate: no search builds one again. It judges nothing.

The file is in the user's cache, under a digest of all that the figures depend on, so a change of model, data, recipe or
tools begins another one. A line that was written in half, by a process that was killed, is not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from etbuild import __version__
from etbuild.system.environment import cache_folder
from etbuild.system.files import files_in, sha256

_PACKAGES = ("torch", "torchao", "executorch", "ethos-u-vela")


class Study:
    """The figures by key of a candidate. path: of the file; it need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.known: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                row = json.loads(line)
                self.known[row["key"]] = row["figures"]
            except (ValueError, KeyError, TypeError):
                continue

    def add(self, key: str, figures: dict[str, Any]) -> None:
        """A candidate whose processes were killed is tried again by the next search: it is not in the file."""
        if "lost" in figures:
            self.known[key] = {"why": figures["lost"]}
            return
        self.known[key] = figures
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "figures": figures}) + "\n")


def study_of(subject: object, files: Iterable[Path]) -> Study:
    """The study of a subject, by what it prints as, the versions of tools, and the content of files and folders."""
    facts = [repr(subject), __version__, *(f"{name} {version(name)}" for name in _PACKAGES)]
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    for file in (file for path in files for file in files_in(path)):
        digest.update(bytes.fromhex(sha256(file)))
    return Study(cache_folder() / "tune" / f"{digest.hexdigest()}.jsonl")
