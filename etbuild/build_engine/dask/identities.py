"""Which workers would write the same bytes as this machine: each is asked once, in the background. It runs no step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etbuild.build_engine.dask import identity

# How long an answer is waited for: where no worker fits yet, and where one does.
ANSWER_S = 60.0
OTHERS_S = 5.0


@dataclass
class _Asked:
    """A question to a worker. answer: its identity, or the error that it gave; None until then."""

    since: float
    answer: dict[str, str] | Exception | None = None


class Identities:
    """Safe to share between threads.

    own: of this machine. ask: gets a worker's identity, or the error that it answers; raises where the worker is gone.
    say: shows the user one line; each difference is said once a worker.
    """

    def __init__(self, own: dict[str, str], ask: Callable[[str], Any], say: Callable[[str], None]) -> None:
        self._own, self._ask, self._say = own, ask, say
        self._changed = threading.Condition()
        self._asked: dict[str, _Asked] = {}
        self._said: set[str] = set()

    def fitting(self, workers: Iterable[str], depends: Sequence[str]) -> list[str]:
        """Those of these workers that fit. depends: as of identity.differences."""
        workers = list(workers)
        with self._changed:
            for worker in workers:
                if worker not in self._asked:
                    self._asked[worker] = _Asked(time.monotonic())
                    threading.Thread(target=self._answer, args=(worker, self._asked[worker]), daemon=True).start()
            while True:
                found = [worker for worker in workers if self._fits(worker, depends)]
                silent = [worker for worker in workers if worker in self._asked and not self._asked[worker].answer]
                until = OTHERS_S if found else ANSWER_S
                left = max((self._asked[worker].since + until - time.monotonic() for worker in silent), default=0.0)
                if left <= 0:
                    break
                self._changed.wait(left)
            for worker in silent:
                self._report(worker, f"got no answer in {until:.0f} s, wanted its versions")
        return found

    def _fits(self, worker: str, depends: Sequence[str]) -> bool:
        """Under the lock."""
        answer = self._asked[worker].answer if worker in self._asked else None
        if isinstance(answer, Exception):
            self._report(worker, f"got {first_line(answer)}, wanted a worker with etbuild")
        if not isinstance(answer, dict):
            return False
        different = identity.differences(self._own, answer, tuple(depends))
        for difference in different:
            self._report(worker, difference)
        return not different

    def _answer(self, worker: str, asked: _Asked) -> None:
        try:
            answer = self._ask(worker)
        except Exception:  # It may be gone already; another one may come to its address.
            answer = None
        with self._changed:
            asked.answer = answer
            if answer is None:
                del self._asked[worker]
            self._changed.notify_all()

    def _report(self, worker: str, what: str) -> None:
        text = f"worker {worker} is refused: {what}"
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def first_line(error: BaseException) -> str:
    """Of an error of the cluster, with its class."""
    return f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
