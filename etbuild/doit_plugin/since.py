"""Which recipes read a file that has changed since a revision of git, and a command line for those alone.

A recipe whose model was never built here may read any Python file: without a record of what it read, each changed one
counts. What is not certain counts as changed. It builds nothing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from etbuild import PACKAGE
from etbuild.doit_plugin.selection import step_tasks
from etbuild.errors import EtbuildError, MissingTool, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.build_engine.decision import Record
    from etbuild.build_engine.step import Step
    from etbuild.doit_plugin.tasks import SharedState

# Files of a project that may change the result of every recipe.
_OF_ALL = ("dodo.py", "pyproject.toml", "constraints.txt", "requirements.txt")


def narrowed(states: Iterable[SharedState], tasks: Iterable[Any], words: Sequence[str], revision: str) -> list[str]:
    """The words of a command line for the recipes that changes since the revision touch. tasks: of doit.

    An error ends the program with its message and exit code.
    """
    tasks, recipes = list(tasks), set[str]()
    try:
        for state in states:
            steps = [one.step for one in step_tasks(tasks) if one.shared is state]
            recipes |= touched(state, steps, changed_files(state.executor.workspace.root, revision))
    except EtbuildError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    return selected(words, recipes, {task.name: task for task in tasks})


def changed_files(root: Path, revision: str) -> set[str]:
    """Files below root that differ from the revision, or are not in git; relative to root, without ignored ones.

    revision: as git diff takes it, "origin/main..." for what a branch has changed.
    raises:   UsageError where there is no such revision, MissingTool without git.
    """
    return {
        *_git(root, revision, "diff", "--name-only", "--no-renames", "--relative", "-z", "--end-of-options", revision),
        *_git(root, revision, "ls-files", "--others", "--exclude-standard", "-z"),
    }


def touched(state: SharedState, steps: Iterable[Step], changed: set[str]) -> set[str]:
    """The recipes that read one of the changed files. steps: of the project."""
    own = PACKAGE.relative_to(state.executor.workspace.root) if _is_inside(PACKAGE, state) else None
    if any(name in _OF_ALL or (own and PurePosixPath(name).is_relative_to(own)) for name in changed):
        return {step.recipe for step in steps}
    found = {recipe for recipe, files in state.files.items() if changed & set(files)}
    kinds = state.executor.workspace.kinds
    for step in steps:
        if kinds[step.kind].on_request:  # It reads what the others read, or made.
            continue
        if step.recipe not in found and _reads_one(step, state.executor.workspace.record(step), changed):
            found.add(step.recipe)
    return found


def selected(words: Sequence[str], recipes: set[str], tasks: Mapping[str, object]) -> list[str]:
    """The words of a command line for these recipes alone: "build" becomes "build:R" for each, "vela:net" stays or
    goes; the options after a task go with it."""
    found: list[str] = []
    for name, options in _with_options(words, tasks):
        if ":" in name:
            names = [name] if name.partition(":")[2].partition("@")[0] in recipes else []
        else:
            names = [task for recipe in sorted(recipes) if (task := f"{name}:{recipe}") in tasks]
        found += [word for one in names for word in (one, *options)]
    return found


def _with_options(words: Sequence[str], tasks: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    """Each task among the words, with the words between it and the next one."""
    name, options = "", list[str]()
    for word in words:
        if word in tasks:
            if name:
                yield name, options
            name, options = word, []
        else:
            options.append(word)
    if name:
        yield name, options


def _git(root: Path, revision: str, *words: str) -> list[str]:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingTool(
            f"--since: got no git ({error.strerror}), wanted it on PATH\n    apt-get install git"
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[0].removeprefix("fatal: ")
        raise UsageError(
            f'--since: got "{revision}", wanted a revision of git: {said}\n'
            "    in CI fetch enough of the history: git fetch origin main"
        )
    return [name for name in done.stdout.split("\0") if name]


def _is_inside(path: Path, state: SharedState) -> bool:
    return path.is_relative_to(state.executor.workspace.root)


def _reads_one(step: Step, record: Record | None, changed: set[str]) -> bool:
    if any(_is_at(name, path) for name in changed for path in step.inputs):
        return True
    if not step.depfile:
        return False
    if record is None:
        return any(name.endswith(".py") for name in changed)
    return any(_is_read(name, known) for name in changed for known in record.discovered)


def _is_at(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _is_read(name: str, known: str) -> bool:
    """Whether a change of the file can change what a record has discovered: a path, or a fact about names."""
    kind, separator, rest = known.partition("://")
    if not separator:
        return _is_at(name, known)
    if kind == "exists":
        return _is_at(name, rest)
    if kind == "names":
        return _is_at(name, rest) or rest == "."
    if kind == "module":
        folder, _, module = rest.partition("#")
        path = module if folder == "." else f"{folder}/{module}"
        return PurePosixPath(name).with_suffix("").as_posix() == path or name.startswith(f"{path}/")
    return False
