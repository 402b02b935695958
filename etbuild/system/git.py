"""git, as far as commands ask it: commits, changed files, and notes of commits. It changes nothing but notes.

A note is a text that belongs to a commit and is in no commit itself; etbuild's are in a ref of their own.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from etbuild.errors import MissingTool, StepError, UsageError
from etbuild.system import environment
from etbuild.system.programs import last_lines

NOTES = "refs/notes/etbuild"
# In log: between the fields of a commit, and behind it. git's own output has neither.
_FIELD, _END = "\x1f", "\x1e"


class NotedCommit(NamedTuple):
    """A commit with its note. time_s: of the commit, since 1970."""

    commit: str
    time_s: int
    subject: str
    note: str


def is_repository(project: Path) -> bool:
    """Whether the folder is in the work tree of a git repository; False without git."""
    return shutil.which("git") is not None and git(project, "rev-parse", "--is-inside-work-tree").returncode == 0


def commit_of(project: Path, revision: str) -> str:
    """The commit that a revision names, as 40 hexadecimal digits.

    raises: UsageError when the repository has none of that name; MissingTool without git.
    """
    found = git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise UsageError(f"{revision}: got no such git revision in {project}, wanted a commit, a branch or a tag")
    return found.stdout.strip()


def changed_files(project: Path) -> list[str]:
    """The files that the current commit does not have as they are, but for ignored ones and the build."""
    status = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    text = checked(project, *status, "--", ".", ":(exclude)build")
    return [entry[3:] for entry in text.split("\0") if entry]


def noted_commits(project: Path, most: int) -> list[NotedCommit]:
    """The commits of the current branch that have a note, the oldest first. most: how many commits are looked at.

    raises: StepError without a commit.
    """
    form = f"%H{_FIELD}%ct{_FIELD}%s{_FIELD}%N{_END}"
    log = ("log", "--first-parent", f"--max-count={most}", "--no-notes", f"--notes={NOTES}", f"--format={form}")
    rows = (row.strip("\n").split(_FIELD) for row in checked(project, *log).split(_END) if row.strip("\n"))
    found = [NotedCommit(commit, int(time_s), subject, note.strip()) for commit, time_s, subject, note in rows]
    return [one for one in reversed(found) if one.note]


def note_of(project: Path, commit: str) -> str:
    """The note of a commit; "" for none."""
    done = git(project, "notes", f"--ref={NOTES}", "show", commit)
    return "" if done.returncode else done.stdout


def write_note(project: Path, commit: str, text: str) -> None:
    """Write the note of a commit in place of the one that it has. raises: StepError with git's message."""
    known = git(project, "config", "user.email").stdout.strip()
    # A machine of a CI often has no user; a note needs one.
    identity = () if known else ("-c", "user.name=etbuild", "-c", "user.email=etbuild@localhost")
    checked(project, *identity, "notes", f"--ref={NOTES}", "add", "--force", "--file=-", commit, text=text)


def checked(project: Path, *words: str, text: str = "") -> str:
    """What git prints. text: its standard input. raises: StepError with its message; MissingTool without git."""
    done = git(project, *words, text=text)
    if done.returncode:
        lines = "\n".join(f"    {line}" for line in last_lines(done.stderr))
        raise StepError(f"git {' '.join(words)}: ended with exit code {done.returncode}\n{lines}")
    return done.stdout


def git(project: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run git in a folder. text: its standard input. raises: MissingTool without git."""
    program = shutil.which("git")
    if program is None:
        raise MissingTool("git: got no such program on PATH, wanted one\n    sudo apt-get install git")
    return subprocess.run(
        [program, "-C", str(project), *words],
        input=text,
        capture_output=True,
        env=environment.c_locale_environment(),
        text=True,
        errors="replace",
        check=False,
    )
