"""A project's files in a folder of their own, to be built there: those of a git revision, or a copy. It builds nothing.

The folder is temporary, and so is git's note of it: the project and its build stay as they are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etbuild.system.git import checked, git

# What a copy leaves out, beside everything hidden: what builds and Python have made.
_MADE = ("build", "__pycache__", "*.egg-info")


@contextmanager
def worktree(project: Path, commit: str) -> Iterator[Path]:
    """The project at a commit. project: a folder of the repository, not always its root.

    raises: StepError with git's message.
    """
    inner = checked(project, "rev-parse", "--show-prefix").strip()
    with tempfile.TemporaryDirectory(prefix="etbuild-") as folder:
        tree = Path(folder) / "tree"
        checked(project, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            yield tree / inner
        finally:
            git(project, "worktree", "remove", "--force", str(tree))


@contextmanager
def copied(project: Path) -> Iterator[Path]:
    """A copy of the project without its build."""
    with tempfile.TemporaryDirectory(prefix="etbuild-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(project, tree, ignore=shutil.ignore_patterns(".*", *_MADE), symlinks=True)
        yield tree
