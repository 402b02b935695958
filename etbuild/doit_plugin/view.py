"""The tasks view:R@V and view:R: a variant in Model Explorer until the user ends it. They write no file of a build."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from doit.exceptions import TaskFailed

from etbuild.errors import EtbuildError, MissingTool, UsageError
from etbuild.system.parent import ends_with_parent

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.doit_plugin.progress import Progress
    from etbuild.plan.plan import Plan

HELP = "a variant in Model Explorer, with the figures of its layers; --port N, --no-browser"


def view_tasks(plan: Plan, root: Path, progress: Progress) -> Iterator[dict[str, object]]:
    """view:R@V for each step layers, and view:R for the first of a recipe; they run until the user ends them."""
    profiles = {outline.name: outline.profiles for outline in plan.outlines}
    first: dict[str, str] = {}
    steps = [step for step in plan.steps if step.kind == "layers"]
    if steps:
        yield {"basename": "view", "name": None, "doc": HELP}
    for step in steps:
        base = f"build/{step.recipe}"
        words = ["--folder", f"{base}/{step.part}", "--profile", f"{base}/{profiles[step.recipe][step.part]}"]
        names = [f"{step.recipe}@{step.part}"]
        names += [step.recipe] if first.setdefault(step.recipe, step.part) == step.part else []
        for name in names:
            yield {
                "basename": "view",
                "name": name,
                "actions": [partial(_view, root, progress, words)],
                "params": _PARAMETERS,
                "task_dep": [step.name],
                "doc": f"{names[0]} in Model Explorer",
            }


def _port(text: str) -> str:
    """The value of --port; a wrong one ends the program with its message, before anything is built."""
    from etbuild.report.view import port_of

    try:
        return str(port_of(text))
    except EtbuildError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


_PARAMETERS = [
    {
        "name": "port",
        "long": "port",
        "default": "",
        "type": _port,
        "help": "of its page [default: 8081, or a free one]",
    },
    {"name": "no_browser", "long": "no-browser", "default": False, "type": bool, "help": "only print its address"},
]


def _view(root: Path, progress: Progress, words: list[str], port: str, no_browser: bool) -> TaskFailed | None:
    command = [sys.executable, "-m", "etbuild.report.view", *words]
    command += ["--port", port] if port else []
    command += ["--no-browser"] if no_browser else []
    code = subprocess.run(command, cwd=root, check=False, preexec_fn=ends_with_parent()).returncode
    progress.missing_tool |= code == MissingTool.exit_code
    progress.usage_error |= code == UsageError.exit_code
    return TaskFailed(f"view: Model Explorer ended with exit code {code}") if code else None
