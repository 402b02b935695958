"""doit's commands list, info, clean and ignore: as doit's own, but bad input is a message, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from doit import cmd_clean, cmd_ignore, cmd_info, cmd_list

from etbuild.doit_plugin.commands import guarded
from etbuild.doit_plugin.selection import require_known, states_of
from etbuild.errors import StepError, UsageError


class Checked:
    """In front of a command of doit's: its names must be tasks; Ctrl-C and a closed pipe end it with a code."""

    task_list: list[Any]

    def parse_execute(self, in_args: list[str]) -> Any:
        return guarded(lambda: super(Checked, self).parse_execute(in_args))  # type: ignore[misc]

    def check_names(self, names: list[str] | None) -> None:
        require_known({task.name for task in self.task_list}, self.task_list, names)


def _checked(execute: Callable[..., Any]) -> Callable[..., Any]:
    """doit passes the options that the signature names, which is that of its own method."""

    @wraps(execute)
    def checked(self: Any, *arguments: Any, **options: Any) -> Any:
        self.check_names(options["pos_args"])
        try:
            return execute(self, *arguments, **options)
        except OSError as error:
            if isinstance(error, BrokenPipeError) or not states_of(self.task_list):
                raise
            print(f"{error.filename}: got {error.strerror}, wanted write access", file=sys.stderr)
            return StepError.exit_code

    return checked


class List(Checked, cmd_list.List):  # type: ignore[misc]
    """doit list."""

    _execute = _checked(cmd_list.List._execute)


class Info(Checked, cmd_info.Info):  # type: ignore[misc]
    """doit info."""

    _execute = _checked(cmd_info.Info._execute)

    def check_names(self, names: list[str] | None) -> None:
        super().check_names(names)
        if states_of(self.task_list) and len(names or ()) != 1:
            print(f"info: got {len(names or ())} tasks, wanted one\n    doit info TASK", file=sys.stderr)
            raise SystemExit(UsageError.exit_code)


class Clean(Checked, cmd_clean.Clean):  # type: ignore[misc]
    """doit clean."""

    _execute = _checked(cmd_clean.Clean._execute)


class Ignore(Checked, cmd_ignore.Ignore):  # type: ignore[misc]
    """doit ignore."""

    _execute = _checked(cmd_ignore.Ignore._execute)
