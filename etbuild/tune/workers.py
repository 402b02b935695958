"""Builds candidates on all processors, in processes that are forked from this one, whose imports they have. It chooses
none.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing import pool
from typing import TYPE_CHECKING, Any

from etbuild.system.processors import processors
from etbuild.tune.build import Builder

if TYPE_CHECKING:
    from etbuild.tune.build import Subject
    from etbuild.tune.candidate import Candidate

_builders: list[Builder] = []


class Workers:
    """A pool that is as large as there are processors. Use it in a `with`: its end ends the processes."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._pool: pool.Pool | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.terminate()
            self._pool.join()

    def build(self, some: Sequence[Candidate], end: float) -> list[dict[str, Any] | None]:
        """The figures of each; None for those that were not done at the end, as time.monotonic has it.

        Candidates with the same lowered program are built one after the other, and that program once.
        """
        if self._pool is None:
            context = multiprocessing.get_context("fork")
            self._pool = context.Pool(processors(), initializer=_begin, initargs=(self._subject,))
        groups: dict[Candidate, list[Candidate]] = {}
        for one in some:
            groups.setdefault(one.lowered, []).append(one)
        results = [(group, self._pool.apply_async(_build, (group,))) for group in groups.values()]
        found: dict[Candidate, dict[str, Any]] = {}
        for group, result in results:
            with contextlib.suppress(multiprocessing.TimeoutError):
                found |= zip(group, result.get(max(end - time.monotonic(), 0.0)), strict=True)
        return [found.get(one) for one in some]


def _begin(subject: Subject) -> None:
    import torch

    torch.set_num_threads(1)
    _builders[:] = [Builder(subject)]


def _build(some: Sequence[Candidate]) -> list[dict[str, Any]]:
    return _builders[0].build(some)
