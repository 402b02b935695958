"""Builds groups of candidates at the same time: each lane takes the next one from a queue, in order. It chooses none.

What a remote lane has lost is built on this machine.
"""

from __future__ import annotations

import threading
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
    """A group that waits. here: no remote lane may take it."""

    group: Group
    figures: Future[list[Json]] = field(default_factory=Future)
    losses: int = 0
    here: bool = False


class Lanes:
    """A queue of groups and the lanes that take from it, each in a thread. Use it in a `with`: its end closes them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._lanes: list[Lane] = []
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
        """The figures of each, in their order, when they are known; {"lost": ...} for what killed its processes."""
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
            try:
                task.figures.set_result(lane.build(task.group))
            except LaneLost as lost:
                self._give_back(task, lane, lost)
            except BaseException as error:  # Whoever waits for the figures raises it.
                task.figures.set_exception(error)

    def _next(self, lane: Lane) -> _Task | None:
        """The next group for a lane; None when it takes no more."""
        with self._changed:
            while not self._over and lane in self._lanes:
                for task in self._waiting:
                    if not (lane.remote and task.here):
                        self._waiting.remove(task)
                        return task
                self._changed.wait()
        return None

    def _give_back(self, task: _Task, lane: Lane, lost: LaneLost) -> None:
        """To the next lane, before all others. A remote lane that has lost a group takes no more."""
        with self._changed:
            if self._over:
                return
            task.here, task.losses = task.here or lane.remote, task.losses + (not lane.remote)
            if lane.remote:
                self._lanes.remove(lane)
            if task.losses < _MOST_LOSSES:
                self._waiting.appendleft(task)
                self._changed.notify_all()
                return
        task.figures.set_result([{"lost": str(lost)}] * len(task.group))
