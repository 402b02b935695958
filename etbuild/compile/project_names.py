"""Names of a model's files and facts as a depfile has them, relative to the project where possible.

It hashes no file.
"""

from __future__ import annotations

from pathlib import Path

from etbuild.system.digests import Digests
from etbuild.system.facts import Facts


class Project:
    """The project as the step sees it: its root is the current folder, whose entries may be links to the real one.

    facts: those of `note`, with the value that each had first.
    """

    def __init__(self) -> None:
        here = Path.cwd()
        self.facts: dict[str, str] = {}
        links = [entry for entry in here.iterdir() if entry.is_symlink()]
        real = {entry.resolve().parent for entry in links if entry.resolve().name == entry.name}
        self._roots = sorted({f"{root}/" for root in (here, here.resolve(), *real)}, key=len, reverse=True)
        self._facts = Facts(Digests(here, here / "build/no-digests.json"))

    def name(self, path: str) -> str:
        """An absolute path as one relative to the project's root, where it is inside."""
        for root in self._roots:
            if f"{path}/" == root:
                return "."
            if path.startswith(root):
                return path[len(root) :]
        return path

    def note(self, fact: str) -> None:
        """A fact that the model depends on: its value now, if it was not noted before."""
        if fact not in self.facts:
            self.facts[fact] = self._facts.of(fact) or ""


def is_input(name: str) -> bool:
    """Whether a file can be an input: no output, and no bytecode that its source replaces. name: as in depfiles."""
    parts = name.split("/")
    generated = parts[0] == "build" or any(part.endswith((".egg-info", ".dist-info")) for part in parts)
    return not generated and parts[-1:] != [""] and "__pycache__" not in parts
