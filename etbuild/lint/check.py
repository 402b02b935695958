"""All rules on one profile of a recipe, and their findings with measured effects. It knows no file format."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etbuild.lint import rules, rules_of_numbers

if TYPE_CHECKING:
    from etbuild.lint.finding import Finding
    from etbuild.lint.graph import Subject
    from etbuild.lint.part import Part
    from etbuild.lint.trial import Trials

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    rules_of_numbers.memory,
    rules.cpu_operators,
    rules.pads,
    rules.means,
    rules_of_numbers.weights,
    rules_of_numbers.scales,
    rules.last_softmax,
    rules_of_numbers.channels,
    rules_of_numbers.border,
)


def findings(subject: Subject) -> list[Finding]:
    """What the rules find, in their order."""
    return [found for check in CHECKS for found in check(subject)]


class Trial(NamedTuple):
    """How patches are tried. recipes: the recipe's files. folder: for the builds. budget: seconds; "" for none."""

    recipe: str
    recipes: Sequence[str]
    folder: Path
    budget: str


def with_effects(found: Iterable[Finding], trial: Trial, parts: Iterable[Part]) -> tuple[Finding, ...]:
    """The findings, those with a patch with its effect on the first variant of their profile, if there is a budget."""
    if not trial.budget:
        return tuple(found)
    from etbuild.lint.trial import Trials

    variants = {part.profile: part.variant for part in reversed(tuple(parts))}
    trials = Trials(trial.recipe, trial.recipes, Path(), trial.folder, float(trial.budget))
    try:
        return tuple(_measured(one, trials, variants[one.profile]) for one in found)
    finally:
        shutil.rmtree(trial.folder, ignore_errors=True)


def _measured(one: Finding, trials: Trials, variant: str) -> Finding:
    return replace(one, effect=trials.effect(one.patch.edits, variant, one.profile)) if one.patch else one
