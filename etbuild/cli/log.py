"""`etbuild log`: print what steps printed in their last run. It runs nothing."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

from etbuild.build_engine.workspace import STATE
from etbuild.errors import StepError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task", nargs="+", help="a task of doit: lower:mnist@tosa-u55, lower:mnist for all its variants, or build:mnist"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the logs of the tasks, oldest first; each begins with the name of its step where there are several.

    raises: StepError outside of a project, UsageError for a task without a log.
    """
    folder = STATE / "logs"
    logs = {_task(file): file for file in sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns)}
    if not logs:
        raise StepError(f"{folder}: got no logs, wanted those of a build\n    run it where dodo.py is, after doit")
    chosen = dict.fromkeys(task for wanted in arguments.task for task in _matching(wanted, logs))
    for task in logs:
        if task in chosen:
            title = f"== {task}\n" if len(chosen) > 1 else ""
            print(title + logs[task].read_text(encoding="utf-8", errors="replace"), end="")
    return 0


def _task(file: Path) -> str:
    return file.stem.replace(".", ":", 1)


def _matching(wanted: str, logs: dict[str, Path]) -> list[str]:
    """The tasks that a name selects, as doit's groups do.

    raises: UsageError when there is none.
    """
    kind, _, part = wanted.partition(":")

    def is_selected(task: str) -> bool:
        of, _, name = task.partition(":")
        return task == wanted or (kind in ("build", of) and name.partition("@")[0] == part)

    found = list(filter(is_selected, logs))
    if not found and any(is_selected(_task(record)) for record in (STATE / "steps").glob("*.json")):
        remedy = f"its outputs are from the build cache; it runs and prints with: doit -a {wanted}"
        raise UsageError(f"{wanted}: got no log, wanted a step that has run\n    {remedy}")
    if not found:
        near = difflib.get_close_matches(wanted, logs, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(logs)}"
        raise UsageError(f"{wanted}: got no log, wanted a step that has run\n    {remedy}")
    return found
