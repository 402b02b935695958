"""Which workers would write the same bytes as this machine: each is asked once, in the background. It runs no step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etbuild.build_engine.dask import identity
from etbuild.errors import first_line

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
        # By address and start: another worker may come to the same address.
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._said: set[str] = set()

    def fitting(self, workers: Mapping[str, str], depends: Sequence[str], wait: bool = True) -> list[str]:
        """Those of these workers that fit.

        workers: by address, something that differs for each start of one. depends: as of identity.differences.
        wait:    for those that have not answered yet; else they are not among the result.
        """
        with self._changed:
            for key in workers.items():
                if key not in self._asked:
                    self._asked[key] = _Asked(time.monotonic())
                    threading.Thread(target=self._answer, args=(key, self._asked[key]), daemon=True).start()
            while True:
                found = [key[0] for key in workers.items() if self._fits(key, depends)]
                silent = {key: self._asked[key] for key in workers.items() if self._is_silent(key)}
                until = OTHERS_S if found else ANSWER_S
                left = max((asked.since + until - time.monotonic() for asked in silent.values()), default=0.0)
                if left <= 0 or not wait:
                    break
                self._changed.wait(left)
            for (worker, _), asked in silent.items():
                if asked.since + OTHERS_S < time.monotonic():
                    self._say_once(f"worker {worker} does not answer, and takes no part until it does")
        return found

    def _is_silent(self, key: tuple[str, str]) -> bool:
        return key in self._asked and self._asked[key].answer is None

    def _fits(self, key: tuple[str, str], depends: Sequence[str]) -> bool:
        """Under the lock."""
        answer = self._asked[key].answer if key in self._asked else None
        refused = f"worker {key[0]} is refused: "
        if isinstance(answer, Exception):
            self._say_once(f"{refused}got {first_line(answer)}, wanted a worker with etbuild")
        if not isinstance(answer, dict):
            return False
        different = identity.differences(self._own, answer, tuple(depends))
        for difference in different:
            self._say_once(f"{refused}{difference}")
        return not different

    def _answer(self, key: tuple[str, str], asked: _Asked) -> None:
        try:
            answer = self._ask(key[0])
        except Exception:  # It is gone, or has no time: it is asked again.
            answer = None
        with self._changed:
            asked.answer = answer
            if answer is None:
                del self._asked[key]
            self._changed.notify_all()

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)
