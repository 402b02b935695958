"""Builds groups of candidates at the same time: each lane takes the next one from a queue, in order. It chooses none.

What another machine has lost, could not build, or is late with, is built on this one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from etbuild.tune.group_queue import Group, GroupQueue, Json, Lane, Task

# A group with which so many processes of this machine were killed is the cause.
_MOST_LOSSES = 2
# Between two looks at what is late.
_LOOK_S = 0.5


class LaneLost(Exception):  # noqa: N818 - no error of the user's: another lane builds the group
    """The process that built a group is gone, and no figures came back. Says how."""


class Lanes:
    """A queue of groups and the lanes that take from it, each in a thread. Use it in a `with`: its end closes them.

    A lane of this machine that has nothing to do takes what is late on another machine; the first figures count. A
    remote lane that could not build a group takes the next one when this machine could not build it either.

    say: shows the user one line. submitted: how many groups there were.
    """

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self.submitted = 0
        self._say = say
        self._changed = threading.Condition()
        self._queue = GroupQueue()
        self._lanes: list[Lane] = []
        self._doubted: list[Lane] = []
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
        task = Task(tuple(group))
        with self._changed:
            self.submitted += 1
            self._queue.put(task)
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
            except Exception as error:  # Whoever waits for the figures raises it.
                self._end(task, error)
            else:
                self._built(task, lane, found, time.monotonic() - begin)

    def _next(self, lane: Lane) -> Task | None:
        """The next group for a lane; None when it takes no more."""
        with self._changed:
            while not self._over and lane in self._lanes:
                task = None if lane in self._doubted else self._queue.take(lane.remote)
                if task is not None:
                    return task
                self._changed.wait(None if lane.remote else _LOOK_S)
        return None

    def _built(self, task: Task, lane: Lane, found: list[Json], seconds: float) -> None:
        """Figures of another machine count; that it could not build something may be its own fault."""
        failed = [one for one in found if "cycles" not in one]
        if lane.remote and failed:
            with self._changed:
                if self._queue.bring_back(task):
                    task.doubt = lane, str(failed[0].get("why") or failed[0].get("lost"))
                    self._doubted.append(lane)
                    self._changed.notify_all()
            return
        with self._changed:
            if not lane.remote:
                self._queue.longest_s = max(self._queue.longest_s, seconds)
            self._judge(task, could=not failed)
        self._end(task, found)

    def _end(self, task: Task, found: list[Json] | Exception) -> None:
        """The first figures, or the first error, of a group are given to who waits for them."""
        with self._changed:
            self._queue.end(task)
            if task.figures.done():
                return
            if isinstance(found, Exception):
                task.figures.set_exception(found)
            else:
                task.figures.set_result(found)

    def _judge(self, task: Task, could: bool) -> None:
        """What this machine says to what a remote lane could not build. could: whether it could."""
        if task.doubt is None:
            return
        (lane, why), task.doubt = task.doubt, None
        self._doubted.remove(lane)
        if could and lane in self._lanes:
            self._lanes.remove(lane)
            self._say(f"another machine could not build what this one can, and is asked less: {why}")
        self._changed.notify_all()

    def _lost(self, task: Task, lane: Lane, lost: LaneLost) -> None:
        """To the next lane. A remote lane that has lost a group takes no more."""
        with self._changed:
            if self._over:
                return
            if lane.remote:
                self._lanes.remove(lane)
                self._queue.bring_back(task)
                self._changed.notify_all()
                return
            if task.figures.done():
                return
            task.losses += 1
            if task.losses < _MOST_LOSSES:
                self._queue.put_first(task)
                self._changed.notify_all()
                return
            self._judge(task, could=False)
            task.figures.set_result([{"lost": str(lost)}] * len(task.group))
