"""Ctrl-C at a known moment: when a Python process imports a module that the test names."""

import os
from pathlib import Path

# Python runs a module of this name first, whatever its program is.
SITE = """\
import os, signal, sys

class Interrupt:
    def find_spec(name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt)
"""


def at_import_of(module: str, folder: Path) -> dict[str, str]:
    """The environment in which a process gets SIGINT when it imports the module. folder: an own one, which is made."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(module=module))
    return {**os.environ, "PYTHONPATH": str(folder)}
