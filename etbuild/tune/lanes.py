"""Builds groups of candidates at the same time: each lane takes the next one from a queue, in order. It chooses none.

What another machine has lost, could not build, or is late with, is built on this one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from etbuild.tune.candidate import Candidate

Json = dict[str, Any]
Group = Sequence[Candidate]
# A group with which so many processes of this machine were killed is the cause.
_MOST_LOSSES = 2
# A remote group is late after so long at least, and three times the longest that a group has taken here.
_PATIENCE_S = 3.0
_LOOK_S = 0.5


class LaneLost(Exception):  # noqa: N818 - no error of the user's: another lane builds the group
    """The process that built a group is gone, and no figures came back. Says how."""


class Lane(Protocol):
    """Builds one group after the other. remote: on another machine."""

    remote: bool

    def build(self, group: Group) -> list[Json]:
        """The figures of each candidate; the `lowered` of all is the same. raises: LaneLost."""

    def close(self) -> None:
        """End it, also while it builds; called from another thread."""


@dataclass
class _Task:
    """A group that waits or is built. since: when a remote lane took it. here: no remote lane may take it any more."""

    group: Group
    figures: Future[list[Json]] = field(default_factory=Future)
    since: float = 0.0
    losses: int = 0
    here: bool = False


class Lanes:
    """A queue of groups and the lanes that take from it, each in a thread. Use it in a `with`: its end closes them.

    A lane of this machine that has nothing to do takes what is late on another machine; the first figures count.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._away: list[_Task] = []
        self._lanes: list[Lane] = []
        self._longest_s = 0.0
        self._over = False

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            lanes, self._lanes = self._lanes, []
            self._changed.notify_all()
        for lane in lanes:
            lane.close()

    def submit(self, group: Group) -> Future[list[Json]]:
        """The figures of each, in their order, when they are known; {"lost": why} where no process survived them."""
        task = _Task(tuple(group))
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()
        return task.figures

    def add(self, lane: Lane) -> None:
        """Let it take groups from now on."""
        with self._changed:
            if not self._over:
                self._lanes.append(lane)
                threading.Thread(target=self._work, args=(lane,), daemon=True).start()
                return
        lane.close()

    def remote(self) -> int:
        """How many of the lanes that take groups are remote."""
        with self._changed:
            return sum(lane.remote for lane in self._lanes)

    def _work(self, lane: Lane) -> None:
        while (task := self._next(lane)) is not None:
            begin = time.monotonic()
            try:
                found = lane.build(task.group)
            except LaneLost as lost:
                self._lost(task, lane, lost)
            except BaseException as error:  # Whoever waits for the figures raises it.
                task.figures.set_exception(error)
            else:
                self._built(task, lane, found, time.monotonic() - begin)

    def _next(self, lane: Lane) -> _Task | None:
        """The next group for a lane; None when it takes no more."""
        with self._changed:
            while not self._over and lane in self._lanes:
                if task := self._taken(lane):
                    return task
                self._changed.wait(None if lane.remote else _LOOK_S)
        return None

    def _taken(self, lane: Lane) -> _Task | None:
        now = time.monotonic()
        for task in self._waiting:
            if not (lane.remote and task.here):
                self._waiting.remove(task)
                if lane.remote:
                    task.since = now
                    self._away.append(task)
                return task
        patience_s = max(_PATIENCE_S, 3 * self._longest_s)
        late = next((task for task in self._away if now - task.since > patience_s), None)
        if late is None or lane.remote:
            return None
        self._away.remove(late)
        late.here = True
        return late

    def _built(self, task: _Task, lane: Lane, found: list[Json], seconds: float) -> None:
        """Figures of another machine count; that it could not build something may be its own fault."""
        with self._changed:
            if not lane.remote:
                self._longest_s = max(self._longest_s, seconds)
            elif any("cycles" not in one for one in found):
                self._bring_back(task)
                return
            if task in self._away:
                self._away.remove(task)
            if not task.figures.done():
                task.figures.set_result(found)

    def _bring_back(self, task: _Task) -> None:
        """To this machine, before all others, unless it has it already."""
        if task in self._away:
            self._away.remove(task)
            task.here = True
            self._waiting.appendleft(task)
            self._changed.notify_all()

    def _lost(self, task: _Task, lane: Lane, lost: LaneLost) -> None:
        """To the next lane. A remote lane that has lost a group takes no more."""
        with self._changed:
            if self._over:
                return
            if lane.remote:
                self._lanes.remove(lane)
                self._bring_back(task)
                return
            if task.figures.done():
                return
            task.losses += 1
            if task.losses < _MOST_LOSSES:
                self._waiting.appendleft(task)
                self._changed.notify_all()
                return
            task.figures.set_result([{"lost": str(lost)}] * len(task.group))
