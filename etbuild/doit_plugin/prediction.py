"""Predicts which steps a build would run, by the decision of a build on what is then there. It runs nothing.

A step that runs only because outputs of it are missing or damaged writes again what its record says, so steps after it
stay up to date. What any other step will write is unknown before it has run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from etbuild.build_engine.decision import reasons

if TYPE_CHECKING:
    from etbuild.build_engine.decision import Reason, Record
    from etbuild.build_engine.step import Step
    from etbuild.build_engine.workspace import Workspace


class Forecast(NamedTuple):
    """Of one step. why: reasons to run, whatever its inputs will be. after: steps whose unknown outputs it reads."""

    why: tuple[Reason, ...]
    after: tuple[str, ...]


class Prediction:
    """Of one workspace. Steps are asked for in the order in which a build runs them."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace
        # Digest by path of what steps will write again, and the steps that will write something unknown.
        self._written: dict[str, str] = {}
        self._unknown: dict[str, str] = {}

    def of(self, step: Step) -> Forecast:
        """What happens to a step; those before it have been asked for."""
        if self._workspace.kinds[step.kind].always:
            return Forecast(self._workspace.reasons(step), ())
        after = tuple(dict.fromkeys(self._unknown[path] for path in step.inputs if path in self._unknown))
        why = self._workspace.reasons(step)
        if not after and not why and not any(path in self._written for path in step.inputs):
            return Forecast((), ())
        record = self._workspace.record(step)
        inputs = record.inputs if record else {}
        as_recorded = {path: inputs[path] for path in step.inputs if path in self._unknown and path in inputs}
        known = {path: self._written[path] for path in step.inputs if path in self._written} | as_recorded
        why = self._reasons(step, record, known)
        self._note_outputs(step, record, known, after)
        return Forecast(why, after)

    def _reasons(self, step: Step, record: Record | None, known: Mapping[str, str]) -> tuple[Reason, ...]:
        """known: digest by path of files that will be others than now."""
        current = self._workspace.current
        return reasons(step, record, replace(current, digest=lambda path: known.get(str(path)) or current.digest(path)))

    def _note_outputs(self, step: Step, record: Record | None, known: Mapping[str, str], after: Iterable[str]) -> None:
        outputs = record.outputs if record else {}
        if after or self._reasons(step, record, {**known, **outputs}):
            self._unknown |= dict.fromkeys(step.outputs, step.name)
        else:
            self._written |= outputs
