"""A small file that is whole under its name, or as it was before: whoever is killed, whatever the disk does."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write another file beside it, then rename that; its folder is made. Many processes may do so at once.

    raises: OSError, after which the file is what it was.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
