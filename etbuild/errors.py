"""What can go wrong, as the user reads it; nothing here knows how to print.

Exit codes: 0 done, 1 a step failed, 2 wrong usage or recipe, 3 the environment lacks something.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault of an input file.

    location:  "file:line:column", or the file alone where no position is known.
    path:   the dotted key, e.g. "quantize.scheme"; "" for the file as a whole.
    got:    what stands there, as the user wrote it.
    wanted: what would be right.
    remedy: what to do, one line; "" when `wanted` says it all.
    """

    location: str
    path: str
    got: str
    wanted: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.location}: {self.path}" if self.path else self.location
        text = f"{where}: got {self.got}, wanted {self.wanted}"
        return f"{text}\n    {self.remedy}" if self.remedy else text


class EtbuildError(Exception):
    """A fault with a message for the user; `exit_code` is the process's."""

    exit_code = 1


class StepError(EtbuildError):
    """A step could not make its outputs."""

    exit_code = 1


class UsageError(EtbuildError):
    """The command line asks for what does not exist."""

    exit_code = 2


class RecipeError(EtbuildError):
    """A recipe, board or table is wrong; carries every problem found, in file order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[Problem, ...]]]:
        return RecipeError, (self.problems,)


class MissingTool(EtbuildError):
    """The machine lacks a program, a package or a compiler; the message says how to get it."""

    exit_code = 3


def exit_code_of(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run `main(argv)`; a user's mistake becomes its message on stderr and its exit code."""
    try:
        return main(argv)
    except EtbuildError as error:
        print(error, file=sys.stderr)
        return error.exit_code
