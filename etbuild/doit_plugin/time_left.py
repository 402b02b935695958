"""How long the rest of a build is expected to take, by the records of the last runs. It decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.doit_plugin.tasks import StepTask

_MINUTE_S = 60
_HOUR_S = 3600


class TimeLeft:
    """Of one run of doit; safe to share between threads.

    Which steps will run is asked once, by `start`: of those that may run after others, each counts.
    """

    def __init__(self) -> None:
        # Seconds of each step that is expected to run and has not ended; None for one that never ran here.
        self._left: dict[str, float | None] = {}
        self._total = 0
        self._ended: set[str] = set()
        self._guard = threading.Lock()

    def start(self, tasks: Iterable[Any]) -> None:
        """Ask of each task, producers first, whether it will run. It may take as long as `doit why`."""
        expected = {one.step.name: _seconds(one) for one in _will_run(tasks)}
        with self._guard:
            self._left = {name: seconds for name, seconds in expected.items() if name not in self._ended}
            self._total = len(expected)

    def end(self, name: str) -> None:
        """A step has ended, or was found up to date."""
        with self._guard:
            self._left.pop(name, None)
            self._ended.add(name)

    def text(self, running: Mapping[str, float], now: float) -> str:
        """ "2 of 9 steps left, about 40 s and 1 new"; "" where nothing is known.

        running: when each running step began, on the clock of `now`.
        """
        with self._guard:
            if not self._left:
                return ""
            seconds = 0.0
            for name, expected in self._left.items():
                spent = now - running[name] if name in running else 0.0
                seconds += max(0.0, (expected or 0.0) - spent)
            new = sum(expected is None for expected in self._left.values())
            known = f"about {duration(seconds / max(1, len(running)))}" if new < len(self._left) else ""
            unknown = f"{new} new" if new else ""
            rest = " and ".join(filter(None, (known, unknown)))
            return f"{len(self._left)} of {self._total} steps left, {rest}"


def duration(seconds: float) -> str:
    """A time for people: "40 s", "3 min", "2 h 5 min"."""
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    hours, rest = divmod(round(seconds / _MINUTE_S), _MINUTE_S)
    return f"{hours} h {rest} min"


def _will_run(tasks: Iterable[Any]) -> Iterator[StepTask]:
    from etbuild.doit_plugin.prediction import Prediction
    from etbuild.doit_plugin.selection import step_tasks

    predictions: dict[int, Prediction] = {}
    for one in step_tasks(tasks):
        prediction = predictions.setdefault(id(one.shared), Prediction(one.shared.executor.workspace))
        why, after = prediction.of(one.step)
        if why or after or one.shared.forced:
            yield one


def _seconds(one: StepTask) -> float | None:
    record = one.shared.executor.workspace.record(one.step)
    return record.seconds if record else None
