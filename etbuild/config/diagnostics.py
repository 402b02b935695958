"""Where a fault of an input file is, and the list that collects all of them before anything is raised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import Problem, RecipeError

KeyPath = tuple[str | int, ...]


class Location(NamedTuple):
    """A position in a file; line and column count from 1, and line 0 is the file as a whole.

    file: relative to the project if inside it, else absolute.
    """

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        file = printable(str(self.file), 500)
        return f"{file}:{self.line}:{self.column}" if self.line else file


class Diagnostics:
    """Problems found so far; `check` raises them all, in the order of the files and of the lines in them."""

    def __init__(self) -> None:
        self._found: dict[tuple[Location, str], Problem] = {}

    def add(self, location: Location, path: KeyPath, got: str, wanted: str, remedy: str = "") -> None:
        """Keep one problem; the first one of a key at a location wins, for those that follow come from it."""
        problem = Problem(str(location), dotted(path), got, wanted, remedy)
        self._found.setdefault((location, problem.path), problem)

    def sorted(self, files: Sequence[Path]) -> tuple[Problem, ...]:
        """All problems; `files` gives the order of the files, the rest follows."""
        rank = {file: number for number, file in enumerate(files)}

        def order(item: tuple[tuple[Location, str], Problem]) -> tuple[int, Location]:
            location = item[0][0]
            return rank.get(location.file, len(rank)), location

        return tuple(problem for _, problem in sorted(self._found.items(), key=order))

    def check(self, files: Sequence[Path]) -> None:
        if self._found:
            raise RecipeError(self.sorted(files))


def dotted(path: KeyPath) -> str:
    """("targets", 0, "npu") as "targets[0].npu"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{printable(part)}" if text else printable(part)
    return text


def quoted(text: str) -> str:
    return f'"{printable(text)}"'


def printable(text: str, longest: int = 60) -> str:
    """The user's text on one line of at most `longest` characters, with nothing in it that a terminal would obey."""
    if len(text) > longest:
        text = text[:longest] + "..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def one_of(names: Iterable[object]) -> str:
    """ "one of a, b", or the name itself when there is but one."""
    texts = [str(name).lower() if isinstance(name, bool) else str(name) for name in names]
    return texts[0] if len(texts) == 1 else "one of " + ", ".join(texts)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A remedy that names the nearest of the names, or ""."""
    import difflib

    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]}?" if near else ""
