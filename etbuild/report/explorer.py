"""Model Explorer in a Python environment of its own, made by pip on first use; its pins conflict with ExecuTorch's.

It shows nothing: explorer_main.py does, with the Python that `python_of_explorer` gives.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from etbuild.errors import MissingTool
from etbuild.system import environment
from etbuild.system.files import locked
from etbuild.system.programs import last_lines

# Every package of it, exactly.
PINS = Path(__file__).with_name("explorer_pins.txt")
_DONE = "installed"
_SHOWN_LINES = 5


def python_of_explorer() -> Path:
    """The Python of the environment in the cache folder; it is made if it is not there.

    raises: MissingTool when Python's venv or pip cannot make it.
    """
    pins = PINS.read_bytes()
    key = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:16]
    folder = environment.cache_folder() / "model-explorer" / key
    python = folder / "bin/python"
    if (folder / _DONE).exists() and python.exists():
        return python
    with locked(folder.with_suffix(".lock"), "Model Explorer"):
        if (folder / _DONE).exists() and python.exists():  # Another process made it meanwhile.
            return python
        print(f"Model Explorer is installed into {folder}, once", flush=True)
        shutil.rmtree(folder, ignore_errors=True)  # What a killed installation left.
        _run("venv", "--without-pip", folder)
        _run("pip", "--python", python, "install", "--quiet", "--disable-pip-version-check", "--requirement", PINS)
        (folder / _DONE).touch()
    return python


def _run(module: str, *words: str | Path) -> None:
    """Run a module of the Python that runs this."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment.with_variables(PYTHONNOUSERSITE="1"),
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = "".join(f"\n    | {line}" for line in last_lines(done.stdout, _SHOWN_LINES))
        raise MissingTool(
            f"view: Model Explorer: got exit code {done.returncode} of {module}, wanted its packages installed\n"
            f"    they come from the package index of pip's settings, once: try again when it can be reached{said}"
        )
