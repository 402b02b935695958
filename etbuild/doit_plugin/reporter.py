"""What a run of doit prints: one line a step, the failures, and a closing table. It decides nothing."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from doit.exceptions import UnmetDependency
from doit.reporter import ConsoleReporter

from etbuild.doit_plugin.time_left import TimeLeft
from etbuild.errors import EtbuildError

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.doit_plugin.progress import Progress

NAME_WIDTH = 44
REFRESH_S = 0.2
# The live line says what is left once a step has run so long.
LONG_S = 1.5
LIVE_WIDTH = 100
UP_TO_DATE = "up to date"
# Lines of steps that are up to date are printed together, up to so many characters.
MOST_HELD = 4096


class StepReporter(ConsoleReporter):  # type: ignore[misc]
    """One line a step when it ends; on a terminal also the running steps with their seconds, and the time left.

    progress, root: of the project; a subclass for each sets them.
    """

    desc = "one line a step"
    progress: ClassVar[Progress]
    root: ClassVar[Path]

    def __init__(self, outstream: Any, options: dict[str, Any]):
        super().__init__(outstream, options)
        self._terminal = bool(getattr(outstream, "isatty", lambda: False)())
        self._running: dict[str, float] = {}
        self._tasks: dict[str, Any] = {}
        # Recipes by kind of step, for the closing tables.
        self._recipes: dict[str, list[str]] = {}
        self._guard = threading.Lock()
        self._held = ""
        self._done = threading.Event()
        self._time_left = TimeLeft()
        self.progress.write_line = self._line

    def write(self, text: str) -> None:
        self.progress.printed.append(text)
        super().write(text)

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        self._tasks = tasks
        if self._terminal:
            from etbuild.doit_plugin.selection import producers_first

            chosen = list(producers_first(tasks, selected_tasks))
            threading.Thread(target=self._refresh, args=(chosen,), daemon=True).start()

    def execute_task(self, task: Any) -> None:
        if task.actions:
            with self._guard:
                self._write_held()
                self._running[task.name] = time.monotonic()

    def add_success(self, task: Any) -> None:
        self._note(task)
        if task.actions:
            self.progress.idle = False
        outcome = self.progress.outcomes.get(task.name)
        if outcome is None:
            self._end(task, "ran" if task.actions else None)
        elif outcome.how == "up to date":
            self._end(task, UP_TO_DATE)
        else:
            why = str(outcome.why[0]) + (f" and {len(outcome.why) - 1} more" if len(outcome.why) > 1 else "")
            self._end(task, f"{outcome.how:<10} {outcome.seconds:7.1f} s  {why}")

    def skip_uptodate(self, task: Any) -> None:
        self._note(task)
        self._end(task, UP_TO_DATE if task.actions else None)

    def skip_ignore(self, task: Any) -> None:
        self.progress.idle = False
        self._end(task, "ignored")

    def add_failure(self, task: Any, fail: Any) -> None:
        self.progress.idle = False
        if isinstance(fail, UnmetDependency):
            self._end(task, "not built, for what failed before it" if task.actions else None)
        elif fail.report:
            self._end(task, "FAILED")
            self._line(fail.get_msg().rstrip())

    def complete_run(self) -> None:
        self._done.set()
        self._line(None)
        for message in self.runtime_errors:
            self.write(f"{message}\n")
        for table in filter(None, self._closing_tables()):
            self.write(f"\n{table}\n")
        if "report" in self._recipes:
            self._write_index()

    def _write_index(self) -> None:
        from etbuild.doit_plugin.index import write_index
        from etbuild.doit_plugin.selection import step_tasks

        steps = (one.step.name for one in step_tasks(self._tasks.values()))
        write_index(self.root, self.progress.outcomes, steps)

    def _note(self, task: Any) -> None:
        """Note the recipe, whose outputs the closing tables may show."""
        kind, _, recipe = task.name.partition(":")
        if task.actions:
            self._recipes.setdefault(kind, []).append(recipe)

    def _end(self, task: Any, what: str | None) -> None:
        self._time_left.end(task.name)
        with self._guard:
            self._running.pop(task.name, None)
            if what is not None:
                self._write_line(f"{task.name:<{NAME_WIDTH}} {what}\n", what == UP_TO_DATE)

    def _line(self, text: str | None) -> None:
        """Print a line above the live one; None only removes the live one."""
        with self._guard:
            self._write_line("" if text is None else f"{text}\n")

    def _write_line(self, text: str, more: bool = False) -> None:
        """more: another line follows at once, or the end: the line may be shown with it."""
        self._held += f"\r\x1b[K{text}" if self._terminal else text
        if not more or self._running or len(self._held) > MOST_HELD:
            self._write_held()

    def _write_held(self) -> None:
        if self._held:
            text, self._held = self._held, ""
            self.write(text)
            self.outstream.flush()

    def _refresh(self, tasks: list[Any]) -> None:
        """The live line. What is left is asked for when a step has taken so long that it is worth it."""
        asked = False
        while not self._done.wait(REFRESH_S):
            now = time.monotonic()
            if not asked and any(now - begun > LONG_S for begun in list(self._running.values())):
                asked = True
                self._time_left.start(tasks)
            with self._guard:
                live = "  ".join(f"{name} {now - begun:.0f} s" for name, begun in self._running.items())
                if live:
                    left = self._time_left.text(self._running, now)
                    text = f"{live[: LIVE_WIDTH - len(left) - 2]}  {left}".rstrip()
                    self.outstream.write(f"\r\x1b[K{text}")
                    self.outstream.flush()

    def _closing_tables(self) -> Iterator[str]:
        from etbuild.report.tables import closing_tables

        def read(kind: str) -> list[dict[str, Any]]:
            found = [_read(self.root, kind, recipe) for recipe in self._recipes.get(kind, ())]
            self.progress.idle &= None not in found
            return [one for one in found if one is not None]

        try:
            yield from closing_tables(read)
        except EtbuildError as error:
            self.progress.idle = False
            yield str(error)


def _read(root: Path, kind: str, recipe: str) -> dict[str, Any] | None:
    """The JSON file that a step of a kind has written or found up to date; None, which is said, if it is damaged."""
    folder = recipe.replace("@", "/", 1)  # of a variant, for steps that each has
    try:
        data: dict[str, Any] = json.loads((root / "build" / folder / f"{kind}.json").read_text())
    except (OSError, ValueError) as error:
        print(f"build/{folder}/{kind}.json: got {error}, wanted a {kind}", file=sys.stderr)
        return None
    return data
