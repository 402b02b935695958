"""Programs that do not outlive the one that started them. It ends no program by itself: the kernel does."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def ends_with_parent(then: Callable[[], None] | None = None) -> Callable[[], None]:
    """A `preexec_fn`: the program is killed when the thread that started it ends, also by SIGKILL.

    then: called after it in the child process, before the program.
    """
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # It ended before the call.
            os._exit(128 + signal.SIGKILL)
        if then is not None:
            then()

    return prepare


def end_with_parent() -> None:
    """From now on this process is killed when the thread that started it ends: it runs long, and is of no use then."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
