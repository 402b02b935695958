"""What a process that the compile server has forked does with itself. It knows nothing of the server's sockets."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback

# Linux, prctl(2); Python has no name for it.
PR_SET_PDEATHSIG = 1


def be_step(message: dict[str, object], log: int, server: int) -> int:
    """Be the step's process; its exit code."""
    os.setsid()
    die_with(server)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    environment, argv, kind = message["env"], message["argv"], message["kind"]
    assert isinstance(environment, dict) and isinstance(argv, list)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(str(message["cwd"]))
    sys.argv = [f"etbuild.steps.{kind}", *argv]
    # The package too: `from etbuild import tools` takes what hangs on it, and that is the server's.
    for name in [name for name in sys.modules if name.partition(".")[0] == "etbuild"]:
        del sys.modules[name]
    gc.enable()
    import importlib

    from etbuild.errors import exit_code_of

    module = importlib.import_module(f"etbuild.steps.{kind}")
    try:
        return exit_code_of(module.main, argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def flush_all() -> None:
    """Write what Python and the C library still hold back; before a fork, or an end that skips it."""
    import ctypes

    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


def die_with(server: int) -> None:
    """After kill -9 of the server its client does the step again: nothing goes on beside that."""
    _at_parents_death(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(70)


def outlive() -> None:
    """The successor has its own life once it serves."""
    _at_parents_death(0)


def _at_parents_death(number: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
