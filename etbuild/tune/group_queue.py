"""The groups of candidates that wait, and those that other machines have. It builds none, and has no lock itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from etbuild.tune.candidate import Candidate

Json = dict[str, Any]
Group = Sequence[Candidate]
# A remote group is late after so long at least, and three times the longest that a group has taken here.
PATIENCE_S = 3.0


class Lane(Protocol):
    """Builds one group after the other. remote: on another machine."""

    remote: bool

    def build(self, group: Group) -> list[Json]:
        """The figures of each candidate; the `lowered` of all is the same. raises: LaneLost."""

    def close(self) -> None:
        """End it, also while it builds; called from another thread."""


@dataclass
class Task:
    """A group that waits or is built.

    since: when a remote lane took it. here: no remote lane may take it any more.
    doubt: the remote lane that could not build it, and why; None where it was not asked.
    """

    group: Group
    figures: Future[list[Json]] = field(default_factory=Future)
    since: float = 0.0
    losses: int = 0
    here: bool = False
    doubt: tuple[Lane, str] | None = None


class GroupQueue:
    """longest_s: the longest that a group has taken on this machine."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._waiting: deque[Task] = deque()
        self._away: list[Task] = []

    def put(self, task: Task) -> None:
        self._waiting.append(task)

    def put_first(self, task: Task) -> None:
        """Before all others."""
        self._waiting.appendleft(task)

    def take(self, remote: bool) -> Task | None:
        """The next group for another machine, or for this one, which also gets what is late; None for none."""
        now = time.monotonic()
        for task in self._waiting:
            if not (remote and task.here):
                self._waiting.remove(task)
                if remote:
                    task.since = now
                    self._away.append(task)
                return task
        patience_s = max(PATIENCE_S, 3 * self.longest_s)
        late = next((task for task in self._away if now - task.since > patience_s), None)
        if late is None or remote:
            return None
        self._away.remove(late)
        late.here = True
        return late

    def bring_back(self, task: Task) -> bool:
        """From another machine to this one; False where this one has it already."""
        if task not in self._away:
            return False
        self._away.remove(task)
        task.here = True
        self.put_first(task)
        return True

    def end(self, task: Task) -> None:
        """Its figures are known."""
        if task in self._away:
            self._away.remove(task)
