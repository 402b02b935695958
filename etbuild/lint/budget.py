"""The option --budget: how many seconds patches may be built for. It measures nothing."""

from __future__ import annotations

from etbuild.errors import UsageError

MOST_S = 86400


def budget(text: str, kind: str = "lint") -> str:
    """The number of seconds in its normalised form. kind: of step, for the message.

    raises: UsageError for anything but a whole number of 1 to 86400.
    """
    if not (text.isdecimal() and 1 <= int(text) <= MOST_S):
        raise UsageError(
            f'--budget: got "{text}", wanted a whole number of 1 to {MOST_S}, in seconds\n    doit {kind}:R --budget 60'
        )
    return str(int(text))
