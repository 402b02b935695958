"""A small model through the compilers, so that what they look up, import and remember at their first use is there.

PyTorch and ExecuTorch do a quarter of the work for a small model only once a process. Nothing of it is kept but that.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild import PACKAGE
from etbuild.build_engine.sandbox import Sandboxes
from etbuild.build_engine.server import protocol
from etbuild.build_engine.server.child import die_with, flush_all

if TYPE_CHECKING:
    from etbuild.build_engine.step import Step

PROJECT = PACKAGE / "compile_server/warm_up_project"


def rehearse() -> None:
    """Do every step that the server may be asked for, in a folder of its own.

    Whatever a step prints goes where this process prints; its errors are the caller's.
    """
    _let_no_thread_start()
    # One that was killed leaves its folder to the next, which removes it.
    with Sandboxes(protocol.private_folder() / "rehearsal").opened("small") as (root, _):
        shutil.copytree(PROJECT, root / "recipes", ignore=shutil.ignore_patterns("__pycache__"))
        os.chdir(root)
        try:
            for step in _steps(root):
                for output in step.outputs:
                    output.parent.mkdir(parents=True, exist_ok=True)
                (_do_apart if step.kind == "vela" else _do)(step)
        finally:
            os.chdir("/")
            _forget_modules_of(root)


def _steps(root: Path) -> Iterator[Step]:
    from etbuild.recipe.load import load
    from etbuild.steps import export, golden, lower, pte, quantize, vela

    recipe = load(root / "recipes/small.yaml", root, {})
    yield export.step(recipe)
    for profile in recipe.profiles:
        yield from (one.step(recipe, profile) for one in (quantize, lower, golden))
    for target in recipe.targets:
        yield from (one.step(recipe, target) for one in (vela, pte))


def _do(step: Step) -> None:
    importlib.import_module(f"etbuild.steps.{step.kind}").main(step.argv)


def _do_apart(step: Step) -> None:
    """In a process of its own. Vela's native code numbers what it compiles from one model to the next, and the numbers
    show in its debug database: in this process a build's would begin where the rehearsal's end.
    """
    rehearsing = os.getpid()
    flush_all()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            die_with(rehearsing)
            _do(step)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            flush_all()
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise ChildProcessError(f"the rehearsal of {step.kind}")


def _let_no_thread_start() -> None:
    """A process with threads cannot be forked safely; the bars that Vela draws would start one."""
    importlib.import_module("tqdm").tqdm.monitor_interval = 0


def _forget_modules_of(root: Path) -> None:
    """A user's model may be called as ours."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(root):
            del sys.modules[name]
