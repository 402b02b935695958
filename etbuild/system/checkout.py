"""A project's files in a folder of their own, to be built there: those of a git revision, or a copy. It builds nothing.

The folder is temporary, and so is git's note of it: the project and its build stay as they are.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etbuild.errors import MissingTool, StepError, UsageError
from etbuild.system import environment
from etbuild.system.programs import last_lines

# What a copy leaves out, beside everything hidden: what builds and Python have made.
_MADE = ("build", "__pycache__", "*.egg-info")


def is_repository(project: Path) -> bool:
    """Whether the folder is in the work tree of a git repository; False without git."""
    return shutil.which("git") is not None and _git(project, "rev-parse", "--is-inside-work-tree").returncode == 0


def commit_of(project: Path, revision: str) -> str:
    """The commit that a revision names, as 40 hexadecimal digits.

    raises: UsageError when the repository has none of that name; MissingTool without git.
    """
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise UsageError(f"{revision}: got no such git revision in {project}, wanted a commit, a branch or a tag")
    return found.stdout.strip()


def changed_files(project: Path) -> list[str]:
    """The files of the project that the current commit does not have as they are; ignored ones do not count."""
    text = _checked(project, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", ".")
    return [entry[3:] for entry in text.split("\0") if entry]


@contextmanager
def worktree(project: Path, commit: str) -> Iterator[Path]:
    """The project at a commit. project: a folder of the repository, not always its root.

    raises: StepError with git's message.
    """
    inner = _checked(project, "rev-parse", "--show-prefix").strip()
    with tempfile.TemporaryDirectory(prefix="etbuild-") as folder:
        tree = Path(folder) / "tree"
        _checked(project, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            yield tree / inner
        finally:
            _git(project, "worktree", "remove", "--force", str(tree))


@contextmanager
def copied(project: Path) -> Iterator[Path]:
    """A copy of the project without its build."""
    with tempfile.TemporaryDirectory(prefix="etbuild-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(project, tree, ignore=shutil.ignore_patterns(".*", *_MADE), symlinks=True)
        yield tree


def _checked(project: Path, *words: str) -> str:
    done = _git(project, *words)
    if done.returncode:
        lines = "\n".join(f"    {line}" for line in last_lines(done.stderr))
        raise StepError(f"git {' '.join(words)}: ended with exit code {done.returncode}\n{lines}")
    return done.stdout


def _git(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("git")
    if program is None:
        raise MissingTool("git: got no such program on PATH, wanted one\n    sudo apt-get install git")
    return subprocess.run(
        [program, "-C", str(project), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment.c_locale_environment(),
        text=True,
        errors="replace",
        check=False,
    )
