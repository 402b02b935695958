"""What the words of a doit command line select among our tasks, and the errors for words that select nothing.

It runs nothing. In a dodo.py without a Project of ours every word is left to doit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from etbuild.errors import UsageError

if TYPE_CHECKING:
    from etbuild.doit_plugin.tasks import SharedState, StepTask


def step_tasks(tasks: Iterable[Any]) -> Iterator[StepTask]:
    """The steps among doit's tasks; none, without importing anything, if the dodo.py has not imported etbuild."""
    ours: Any = sys.modules.get("etbuild.doit_plugin.tasks")
    for task in tasks if ours else ():
        for check, _, _ in task.uptodate:
            if isinstance(check, ours.UpToDate):
                yield check.owner


def producers_first(tasks: dict[str, Any], names: list[str]) -> Iterator[Any]:
    """The named tasks and all that they depend on, in the order of a build."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[Any]:
        if name not in seen:
            seen.add(name)
            for dependency in tasks[name].task_dep:
                yield from visit(dependency)
            yield tasks[name]

    for name in names:
        yield from visit(name)


def states_of(tasks: Iterable[Any]) -> list[SharedState]:
    """The shared state of each project among the tasks."""
    return list({id(task.shared): task.shared for task in step_tasks(tasks)}.values())


def require_known(
    known: set[str], tasks: Iterable[Any], names: Iterable[str] | None, commands: Iterable[str] = ()
) -> None:
    """End with exit code 2 and the nearest name for a word that names no task, where a project of ours is loaded."""
    tasks = list(tasks)
    if not any(step_tasks(tasks)) or any(task.loader for task in tasks):
        return
    for before, name in pairwise(("", *(names or ()))):
        # A word after an option may be its value.
        if name in known or name.startswith("-") or before.startswith("-") or "=" in name or "*" in name:
            continue
        if any(name in task.targets for task in tasks):
            continue
        import difflib

        near = difflib.get_close_matches(name, [*sorted(known), *commands], n=1, cutoff=0.65)
        hint = f"did you mean {near[0]}?" if near else "doit list --all shows what there is"
        if name in commands:
            hint = f"a command is the first word: doit {name} ..."
        print(f"{name}: got no such task, wanted one of this project's\n    {hint}", file=sys.stderr)
        raise SystemExit(UsageError.exit_code)


def require_sound(projects: Iterable[SharedState], names: Iterable[str] | None) -> None:
    """End with exit code 2 if the words select a recipe that could not be read; its problems have been printed."""
    for broken in (recipe for project in projects for recipe in project.broken):
        if names is None or any(_selects(name, broken) for name in names):
            raise SystemExit(UsageError.exit_code)


def require_recipes(projects: Iterable[object], names: Iterable[str] | None) -> None:
    """End with exit code 2 if all of a project is to be built, and it has no recipe."""
    if projects and (names is None or "build" in names):
        print("recipes: got no recipe, wanted recipes/NAME.yaml\n    etbuild new writes the first", file=sys.stderr)
        raise SystemExit(UsageError.exit_code)


def _selects(name: str, recipe: str) -> bool:
    """Whether a word may select tasks of a recipe: "build", "vela", "vela:net@u55", "*"; the path of an output none."""
    if name.startswith("-") or "/" in name:
        return False
    return fnmatchcase(recipe, name.partition(":")[2].partition("@")[0] or "*")
