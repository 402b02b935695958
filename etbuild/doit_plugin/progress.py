"""What happened in one run of doit: written by the tasks, read by the reporter and the commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.build_engine.execute import Outcome
    from etbuild.build_engine.history import StepRun


@dataclass
class Progress:
    """Of one project.

    outcomes:     how each step ended, by name.
    printed:      the reporter's output.
    idle:         nothing ran, failed or was ignored.
    missing_tool: a step ended because the machine lacks a program or package.
    usage_error: a step could not begin because a variable of the build cache is wrong.
    begin:        of the run, in seconds since 1970.
    steps:        what happened to each step that was not up to date, in the order in which they ended.
    write_line:   how the reporter writes a line while steps run; None: another reporter than ours is used.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    idle: bool = True
    missing_tool: bool = False
    usage_error: bool = False
    begin: float = field(default_factory=time.time)
    steps: list[StepRun] = field(default_factory=list)
    write_line: Callable[[str], None] | None = None

    def show(self, text: str) -> None:
        """Show a line that a running step has printed."""
        (self.write_line or print)(text)
