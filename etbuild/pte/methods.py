"""Which method of a program is meant, and the numbers of its delegates in the whole program. It runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etbuild.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etbuild.pte.program import Program


def method_number(program: Program, name: str, place: str) -> int:
    """The number of a method; of "" the first.

    place:  of the program, for the message.
    raises: UsageError when the program has no method of that name.
    """
    names = [method.name for method in program.methods]
    if name and name not in names:
        raise UsageError(f"{place}: method: got {name}, wanted {'one of ' if len(names) > 1 else ''}{listed(names)}")
    return names.index(name) if name else 0


def first_delegate(program: Program, method: int) -> int:
    """The number in the program of a method's first delegate. Vela's files are numbered so: 0_debug.xml."""
    return sum(len(one.delegates) for one in program.methods[:method])


def listed(names: Sequence[str]) -> str:
    """Names from a file, which may be any text: what could act as a terminal command is escaped."""
    return ", ".join(name if name.isidentifier() else repr(name) for name in names)
