"""Diagnostics of input files: locations, phrases for messages, and the list that collects all problems of the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import Problem, RecipeError

KeyPath = tuple[str | int, ...]


class Location(NamedTuple):
    """A position in a file. Line and column count from 1; line 0 is the file as a whole.

    file: relative to the project when inside it, else absolute.
    """

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        file = printable(str(self.file), 500)
        return f"{file}:{self.line}:{self.column}" if self.line else file


class Diagnostics:
    """The problems found so far. `check` raises all of them as one error."""

    def __init__(self) -> None:
        self._found: dict[tuple[Location, str], Problem] = {}

    def add(self, location: Location, path: KeyPath, got: str, wanted: str, remedy: str = "") -> None:
        """Record a problem. Of several for one key at one location the first is recorded: the others follow from it."""
        problem = Problem(str(location), dotted(path), got, wanted, remedy)
        self._found.setdefault((location, problem.path), problem)

    def sorted(self, files: Sequence[Path]) -> tuple[Problem, ...]:
        """All problems by file, line and column. files: the order of the files; other files come last."""
        rank = {file: number for number, file in enumerate(files)}

        def order(item: tuple[tuple[Location, str], Problem]) -> tuple[int, Location]:
            location = item[0][0]
            return rank.get(location.file, len(rank)), location

        return tuple(problem for _, problem in sorted(self._found.items(), key=order))

    def check(self, files: Sequence[Path]) -> None:
        """raises: RecipeError when there is a problem; see `sorted`."""
        if self._found:
            raise RecipeError(self.sorted(files))


def dotted(path: KeyPath) -> str:
    """("targets", 0, "npu") as "targets[0].npu"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{printable(part)}" if text else printable(part)
    return text


def quoted(text: str) -> str:
    """The user's text in double quotes, made printable."""
    return f'"{printable(text)}"'


def printable(text: str, longest: int = 60) -> str:
    """The user's text, cut after `longest` characters; control characters are escaped."""
    if len(text) > longest:
        text = text[:longest] + "..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def one_of(names: Iterable[object]) -> str:
    """ "one of a, b", or the name itself when there is only one."""
    texts = [str(name).lower() if isinstance(name, bool) else str(name) for name in names]
    return texts[0] if len(texts) == 1 else "one of " + ", ".join(texts)


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A remedy that names the most similar of the names, or ""."""
    import difflib

    by_lower = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[near[0]]}?" if near else ""
