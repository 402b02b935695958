"""What was tried, in a file that grows by a line for each candidate: no search builds one again. It judges nothing.

The file is in the user's cache, under a digest of all that the figures depend on, so a change of model, data, recipe or
tools begins another one. A line that was written in half, by a process that was killed, is not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from etbuild.system.environment import cache_folder


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
        self.known[key] = figures
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "figures": figures}) + "\n")


def study_of(facts: Iterable[str], files: Iterable[Path]) -> Study:
    """The study of a subject. facts: settings and versions of tools. files: whose content the figures depend on."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return Study(cache_folder() / "tune" / f"{digest.hexdigest()}.jsonl")
