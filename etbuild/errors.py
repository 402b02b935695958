"""The errors that users see, and their exit codes. Only `exit_code_of` prints.

Exit codes: 0 success, 1 a step failed, 2 wrong usage or recipe, 3 a program or package is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One error in an input file.

    location: "file:line:column", or the file alone where no position is known.
    path:     the dotted key, e.g. "quantize.scheme"; "" for the file as a whole.
    got:      the value as the user wrote it.
    wanted:   what is accepted there.
    remedy:   what to do, one line; "" when `wanted` is enough.
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
    """An error whose text is the message for the user. exit_code: of the process that it ends."""

    exit_code = 1


class StepError(EtbuildError):
    """A step cannot produce its outputs."""

    exit_code = 1


class UsageError(EtbuildError):
    """The command line is wrong: an option's value, or a name that does not exist."""

    exit_code = 2


class RecipeError(EtbuildError):
    """A recipe, board or table is wrong. problems: all of them, in file order."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[Problem, ...]]]:
        return RecipeError, (self.problems,)


class MissingTool(EtbuildError):
    """A program, package or compiler is not installed; the message says how to install it."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    """Of an error that is not ours, with its class, for a message."""
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")


def exit_code_of(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run `main(argv)` and return its exit code; for an EtbuildError print its message to stderr and return its own."""
    try:
        return main(argv)
    except EtbuildError as error:
        print(error, file=sys.stderr)
        return error.exit_code
