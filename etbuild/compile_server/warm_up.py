"""Warm-up: compiles a small model, so that the compilers' imports and lookups at first use are done before a build.

For a small model, a quarter of the work of PyTorch and ExecuTorch is done once per process. The compiled files are
deleted.
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
    """Run every kind of step that the server runs, in a sandbox.

    raises: what a step raises; steps print to the standard output of this process.
    """
    _prevent_threads()
    # A killed warm-up leaves its folder; the next one removes it.
    with Sandboxes(protocol.private_folder() / "warm-up").opened("small") as (root, _):
        shutil.copytree(PROJECT, root / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(root)
        try:
            for step in _steps(root):
                for output in step.outputs:
                    Path(output).parent.mkdir(parents=True, exist_ok=True)
                (_run_in_fork if step.kind == "vela" else _run)(step)
        finally:
            os.chdir("/")
            _unload_modules_of(root)


def _steps(root: Path) -> list[Step]:
    from etbuild.recipe.load import load

    recipe = load(root / "recipes/small.yaml", root, {})
    return list(steps_of(recipe, [kind for kind in KINDS.values() if kind.warm]))


def _run(step: Step) -> None:
    importlib.import_module(KINDS[step.kind].module).main(step.argv)


def _run_in_fork(step: Step) -> None:
    """Vela runs in a process of its own: its native code numbers operations from one model to the next, and the numbers
    are in its debug database. Without the fork, the numbers of a build would continue those of the warm-up.
    """
    parent = os.getpid()
    flush_all()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            die_with(parent)
            _run(step)
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


def _unload_modules_of(root: Path) -> None:
    """A user's model module may have the same name."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(root):
            del sys.modules[name]
