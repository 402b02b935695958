"""The lines that a search prints while it runs. It decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from etbuild.tune.candidate import Candidate
from etbuild.tune.choice import rows_of, winner_of

if TYPE_CHECKING:
    from etbuild.tune.search import Search

# Seconds between two lines.
PERIOD_S = 10.0


class Progress:
    """Called with the search when something more was tried.

    end: of the budget, as time.monotonic has it. say: shows the user one line.
    """

    def __init__(self, end: float, say: Callable[[str], None]) -> None:
        self._begin = self._last = time.monotonic()
        self._end, self._say = end, say

    def __call__(self, search: Search) -> None:
        now = time.monotonic()
        if now - self._last < PERIOD_S or search.tried[0] != Candidate():  # Without the recipe none is better.
            return
        self._last = now
        rows = rows_of(search.tried, search.study.known)
        best = rows[winner_of(rows)]
        figures = best["figures"]
        known = "" if "why" in figures else f": {figures['cycles']:,} cycles, {figures['sqnr_db'] or 0:.1f} dB"
        seconds = f"{now - self._begin:.0f} of {self._end - self._begin:.0f} s"
        self._say(f"{seconds}: {len(rows)} settings tried, the best{known}, {best['settings']}")
