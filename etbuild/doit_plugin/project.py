"""A folder of recipes as doit tasks: what a dodo.py uses. doit orders and selects; whether a step runs is decided here.

doit's own checks trust mtime first, ignore a step's arguments, check targets only for existence, keep the files that
a killed action left, and forget completed actions when doit itself is killed. So each task asks `decision.reasons` (its
`uptodate`), its action asks again under the step's lock, and what doit stores in its own database decides nothing.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etbuild.doit_plugin.database import content_checker
from etbuild.doit_plugin.progress import Progress
from etbuild.doit_plugin.reporter import StepReporter
from etbuild.doit_plugin.tasks import SharedState, tasks_of
from etbuild.errors import EtbuildError, RecipeError
from etbuild.plan.engine import executor as project_executor
from etbuild.plan.plan import load_plan

if TYPE_CHECKING:
    from doit.task import Task

    from etbuild.build_engine.execute import Executor


class Project:
    """The recipes of one folder as doit tasks: `project = Project(__file__)` in its dodo.py.

    executor: in place of the real one, for tests.
    """

    def __init__(self, dodo: str | Path, executor: Executor | None = None):
        self.root = Path(dodo).resolve().parent
        self.executor = executor or project_executor(self.root)
        self.progress = Progress()
        self.shared = SharedState(self.executor, self.progress)
        # On the instance: doit uses every object in a dodo.py with this attribute, also an imported class.
        self.create_doit_tasks = self._create_doit_tasks
        atexit.register(self.executor.launcher.stop)

    @property
    def doit_config(self) -> dict[str, object]:
        """doit's DOIT_CONFIG for this project."""
        # Until a step runs there is no garbage, and searching all tasks for it costs a tenth of the time.
        gc.disable()
        state = self.executor.workspace.state
        with suppress(OSError):  # In a folder without write access all is well until a step has to run.
            state.mkdir(parents=True, exist_ok=True)
        facts = {"progress": self.progress, "root": self.root}
        return {
            "default_tasks": ["build"],
            "reporter": type("Reporter", (StepReporter,), facts),
            "check_file_uptodate": content_checker(self.executor.workspace.digests),
            "backend": "json",
            "dep_file": str(state / "doit.json"),
            "par_type": "thread",
            "verbosity": 0,
        }

    def _create_doit_tasks(self) -> Iterator[Task | dict[str, object]]:
        """doit's tasks: one a step, and groups for recipes, variants and kinds."""
        workspace = self.executor.workspace
        try:
            plan = load_plan(self.root, workspace.digests, workspace.sources)
        except EtbuildError as error:
            print(error, file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        if plan.problems:
            print(RecipeError(plan.problems), file=sys.stderr)
            self.shared.broken = plan.broken
            self.progress.idle = False
        self.shared.files = {outline.name: outline.files for outline in plan.outlines}
        return tasks_of(plan, self.shared)
