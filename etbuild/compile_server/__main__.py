"""The compile server's program: the server of the build engine, with PyTorch, ExecuTorch and Vela imported."""

from __future__ import annotations

import compileall
import gc
import importlib
import sys

from etbuild import PACKAGE
from etbuild.build_engine.server.server import run_server


def _preload() -> None:
    """Import the modules that all children share by copy on write."""
    from etbuild.compile import compiler_imports
    from etbuild.steps.kinds import KINDS

    # Steps write no bytecode (PYTHONDONTWRITEBYTECODE); compiled here, our modules load a tenth of a second faster.
    compileall.compile_dir(PACKAGE, quiet=2)
    compiler_imports.load_all()
    for kind in sorted(kind.module for kind in KINDS.values() if kind.warm):
        importlib.import_module(kind)
    gc.collect()
    gc.freeze()


def _warm_up() -> None:
    from etbuild.compile import patches
    from etbuild.compile_server.warm_up import warm_up

    warm_up()
    patches.collect_composite_operators()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(run_server(_preload, _warm_up))
