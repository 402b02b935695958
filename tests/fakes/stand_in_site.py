"""Runs at the start of every Python of an environment that stand_in_environment.py made. It replaces nothing in doit.

In the process of a step, in the compile server and in clean_build.py, what would import PyTorch is a stand-in: all
steps but export, and of export the capture of the program. The model is loaded, and its reads recorded, by etbuild.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

FOLDER = Path(__file__).parent
KINDS = ("quantize", "lower", "golden", "vela", "pte", "header", "run", "report", "sweep")
COMPILER = (
    *("etbuild.compile.compiler_imports", "etbuild.compile.exporting", "etbuild.compile.exported_program"),
    *("etbuild.compile_server.warm_up", "torch", "safetensors", "safetensors.torch"),
)
STAND_INS = {
    **{f"etbuild.steps.{kind}": "stand_in_step.py" for kind in KINDS},
    **dict.fromkeys(COMPILER, "stand_in_compiler.py"),
}
# Of doit alone: it is killed at this event of its own that changes a file.
KILL_AT = "STAND_IN_KILL_AT"
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.utime")


class StandIns:
    """Finds a stand-in under the name of what it replaces."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in STAND_INS:
            return None
        inner = [] if name == "safetensors" else None
        return spec_from_file_location(name, FOLDER / STAND_INS[name], submodule_search_locations=inner)


def program() -> str:
    """NAME of `python -m NAME`; "" for another command."""
    words = sys.orig_argv
    return words[words.index("-m") + 1] if "-m" in words[:-1] else ""


def kill_at(number: int) -> None:
    """End this process by SIGKILL before its change of that number."""
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if program().startswith(("etbuild.steps.", "etbuild.compile_server")) or program() == "clean_build":
    sys.meta_path.insert(0, StandIns())  # type: ignore[arg-type]
elif not program() and os.environ.get(KILL_AT):
    kill_at(int(os.environ[KILL_AT]))
