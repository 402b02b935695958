"""Runs doit in processes that are forked when all its modules are imported: a third of the time of a new process.

python -m doit_forks: each line is a request {"argv", "cwd", "env", "out", "pid"}. The child's number is written to the
file `pid`, what it prints to `out`, and its exit code to <out>.code when it has ended.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

MODULES = (
    *(
        "doit.__main__",
        "doit.doit_cmd",
        "doit.cmd_base",
        "doit.cmd_run",
        "doit.loader",
        "doit.dependency",
        "doit.runner",
    ),
    *("doit.reporter", "doit.control", "inspect", "ast", "tempfile", "etbuild.tasks", "etbuild.doit_plugin.commands"),
    *("etbuild.doit_plugin.inspection", "etbuild.doit_plugin.prediction", "etbuild.doit_plugin.selection"),
    *("etbuild.recipe.load", "etbuild.build_engine.cache.cache", "etbuild.build_engine.server.client"),
    *(f"etbuild.steps.{kind}" for kind in ("export", "quantize", "lower", "golden", "vela", "pte", "header", "run")),
    *("etbuild.steps.report", "etbuild.steps.sweep", "etbuild.steps.firmware", "etbuild.report.tables", "jsonschema"),
)


def serve() -> int:
    for name in MODULES:
        importlib.import_module(name)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(wake, selectors.EVENT_READ)
    outs: dict[int, str] = {}
    rest = b""
    while True:
        for key, _ in waiting.select():
            data = os.read(key.fd, 1 << 16)
            if key.fd == wake:
                _reap(outs)
                continue
            if not data:
                return 0
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _run(request)
                outs[pid] = request["out"]


def _reap(outs: dict[int, str]) -> None:
    for pid in list(outs):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            part = Path(f"{outs[pid]}.part")
            part.write_text(str(os.waitstatus_to_exitcode(status)))
            part.rename(f"{outs.pop(pid)}.code")


def _run(request: dict[str, Any]) -> None:
    """In the child, which becomes a doit that was just started."""
    Path(request["pid"]).write_text(str(os.getpid()))
    out = os.open(request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = list(filter(None, request["env"].get("PYTHONPATH", "").split(":")))
    sys.argv = ["doit", *request["argv"]]
    from doit.__main__ import main
    from stand_in_site import KILL_AT, kill_at

    from etbuild.build_engine import noop

    noop.BEGAN_NS = time.time_ns()
    if KILL_AT in os.environ:
        kill_at(int(os.environ[KILL_AT]))
    code: object = 70
    try:
        code = main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    sys.exit(serve())
