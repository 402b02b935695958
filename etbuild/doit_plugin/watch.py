"""`doit watch`: builds whenever a file of the project changes, until Ctrl-C. It decides nothing: `doit run` does.

It needs the package watchfiles, of the extra etbuild[watch].
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from etbuild.doit_plugin.commands import DODO, guarded
from etbuild.errors import MissingTool, UsageError

# Edits of one save come within this time.
_PAUSE_MS = 200


class Watch(Command):  # type: ignore[misc]
    """doit watch TASK...: as doit run TASK..., again and again."""

    name = "watch"
    doc_purpose = "build again whenever a file of the project changes"
    doc_usage = "[TASK ...]"
    doc_description = "Everything after the word watch is what `doit` gets. Ctrl-C ends it, with exit code 0."
    cmd_options = ()

    def parse_execute(self, in_args: list[str]) -> Any:
        return guarded(lambda: watch(Path.cwd(), in_args))


def watch(root: Path, words: Iterable[str]) -> int:
    """Build now and after each change below root. The exit code is 0 after Ctrl-C."""
    if not (root / DODO).is_file():
        print(f"watch: got no {DODO} in {root}, wanted a project\n    cd to it", file=sys.stderr)
        return UsageError.exit_code
    try:
        import watchfiles
    except ImportError:
        print(
            "watch: got no package watchfiles, wanted it for doit watch\n    pip install 'etbuild[watch]'",
            file=sys.stderr,
        )
        return MissingTool.exit_code
    command = [sys.executable, "-m", "doit", *words]
    first = True
    try:
        # The first turn comes at once, when the files are being watched: no edit is missed.
        for changes in watchfiles.watch(
            root,
            watch_filter=lambda change, path: is_watched(root, Path(path)),
            debounce=_PAUSE_MS,
            rust_timeout=_PAUSE_MS if first else 0,
            yield_on_timeout=True,
            raise_interrupt=True,
        ):
            if changes or first:
                first = False
                for path in sorted({path for _, path in changes}):
                    print(f"{Path(path).relative_to(root)} has changed", flush=True)
                subprocess.run(command, cwd=root, check=False)
                print("watching; Ctrl-C ends", flush=True)
    except KeyboardInterrupt:
        print()
    return 0


def is_watched(root: Path, path: Path) -> bool:
    """Whether a change of the file is a reason to build: not in build/, hidden, or of an editor or a cache."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
    return bool(parts) and parts[0] != "build" and not hidden and not path.name.endswith(("~", ".swp"))
