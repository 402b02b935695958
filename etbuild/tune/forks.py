"""A lane of this machine: a fork of this process, which has its imports. It chooses no candidate."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from etbuild.system.parent import ends_with_parent
from etbuild.tune.build import builds_for
from etbuild.tune.lanes import LaneLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etbuild.tune.build import Subject
    from etbuild.tune.group_queue import Group, Json


# One begins at a time: what another one begins meanwhile would keep the ends of its pipe open.
_BEGINS = threading.Lock()


class Fork:
    """A process that builds groups for one subject. It is forked when this is made, and again after it was killed.

    folder: for its temporary files; what a killed one leaves there is the owner's.
    """

    remote = False

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._subject, self._folder = subject, folder
        self._closed = False
        self._begin()

    def build(self, group: Group) -> list[Json]:
        try:
            if not self._process.is_alive():
                self._begin()
            self._line.send(group)
            found: list[Json] = self._line.recv()
            return found
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise LaneLost(f"the process that builds it ended with {how}") from None

    def close(self) -> None:
        with _BEGINS:
            self._closed = True
            self._process.kill()

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        with _BEGINS:
            if self._closed:
                return
            ours, theirs = context.Pipe()
            given = (ends_with_parent(), self._subject, self._folder, theirs)
            process = context.Process(target=_serve, args=given, daemon=True)
            process.start()
            theirs.close()
            self._line: Any = ours
            self._process = process


def _serve(prepare: Callable[[], None], subject: Subject, folder: Path, line: Any) -> None:
    prepare()
    tempfile.tempdir = str(folder)
    answer = builds_for(subject)
    while True:
        line.send(answer(line.recv()))
