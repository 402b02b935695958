"""Warm-up: compiles a small model, so that what the compilers import and look up at their first use is done.

PyTorch and ExecuTorch do a quarter of the work for a small model once a process. The compiled files are thrown away.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import die_with, flush_all
from etbuild.steps.kinds import KINDS, steps_of

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

PROJECT = PACKAGE / "compile_server/warm_up_project"


def warm_up() -> None:
    """Run every step that the server may be asked for, in a folder of its own.

    Whatever a step prints goes where this process prints; its errors are the caller's.
    """
    _prevent_threads()
    # A warm-up that was killed leaves its folder; the next one removes it.
    with Sandboxes(protocol.private_folder() / "warm-up").opened("small") as (root, _):
        shutil.copytree(PROJECT, root / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(root)
        try:
            for step in _steps(root):
                for output in step.outputs:
                    Path(output).parent.mkdir(parents=True, exist_ok=True)
                (_do_in_fork if step.kind == "vela" else _do)(step)
        finally:
            os.chdir("/")
            _forget_modules_of(root)


def _steps(root: Path) -> list[Step]:
    from etbuild.recipe.load import load

    recipe = load(root / "recipes/small.yaml", root, {})
    return list(steps_of(recipe, [kind for kind in KINDS.values() if kind.warm]))


def _do(step: Step) -> None:
    importlib.import_module(KINDS[step.kind].module).main(step.argv)


def _do_in_fork(step: Step) -> None:
    """Vela runs in a process of its own: its native code numbers operations from one model to the next, and the numbers
    are in its debug database. In this process those of a build would begin where the warm-up's end.
    """
    parent = os.getpid()
    flush_all()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            die_with(parent)
            _do(step)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            flush_all()
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise ChildProcessError(f"the warm-up of {step.kind}")


def _prevent_threads() -> None:
    """A process with threads cannot be forked safely; the progress bars of Vela would start one."""
    importlib.import_module("tqdm").tqdm.monitor_interval = 0


def _forget_modules_of(root: Path) -> None:
    """A user's model may have the name of ours."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(root):
            del sys.modules[name]
