"""A lane of this machine: a fork of this process, which has its imports. It chooses no candidate."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

from etbuild.system.parent import ends_with_parent
from etbuild.tune.build import Builder
from etbuild.tune.lanes import LaneLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from etbuild.tune.build import Subject
    from etbuild.tune.lanes import Group, Json


class Fork:
    """A process that builds groups for one subject. It is forked when this is made, and again after it was killed."""

    remote = False

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._closed = False
        self._begin()

    def build(self, group: Group) -> list[Json]:
        if not self._process.is_alive() and not self._closed:
            self._begin()
        try:
            self._line.send(group)
            found: list[Json] = self._line.recv()
            return found
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise LaneLost(f"the process that builds it ended with {how}") from None

    def close(self) -> None:
        self._closed = True
        self._process.kill()

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        self._line: Any = ours
        self._process = context.Process(target=_serve, args=(ends_with_parent(), self._subject, theirs))
        self._process.start()
        theirs.close()


def _serve(prepare: Callable[[], None], subject: Subject, line: Any) -> None:
    import torch

    prepare()
    torch.set_num_threads(1)
    builder = Builder(subject)
    while True:
        line.send(builder.build(line.recv()))
