"""Conditions on a comparison: what `--fail-if 'sram>+5%'` means, and whether it holds. It reads no file."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from etbuild.errors import StepError, UsageError
from etbuild.report.compared_build import FIGURES

if TYPE_CHECKING:
    from etbuild.report.figures import Json

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_UNITS = {"": 1.0, "k": 1024.0, "m": 1024.0**2, "g": 1024.0**3, "s": 1.0, "ms": 1e-3, "us": 1e-6, "%": 1e-2}
_CONDITION = re.compile(r"(\w+)\s*(>=|<=|>|<)\s*([+-]?)(\d+(?:\.\d+)?)\s*(%|ms|us|s|[KMG](?:i?B)?|)", re.IGNORECASE)
WANTED = "FIGURE, one of > >= < <=, and a value: 'sram>+5%' or 'pte>+2K' of the change, 'time>20ms' of B"


@dataclass(frozen=True)
class Condition:
    """figure: a name of FIGURES. value: a share of A's value (relative), a change (change), or a value of B."""

    text: str
    figure: str
    compare: str
    value: float
    relative: bool
    change: bool

    def holds(self, figure: Json) -> bool:
        """Whether it holds for a figure of the comparison. From 0 every change is more than any share."""
        if not self.change:
            return _COMPARE[self.compare](figure["after"], self.value)
        if not self.relative:
            return _COMPARE[self.compare](figure["change"], self.value)
        relative = figure["relative"]
        if relative is None:
            relative = float("inf") if figure["change"] > 0 else 0.0
        return _COMPARE[self.compare](relative, self.value)


def condition(text: str) -> Condition:
    """The condition that a text describes.

    raises: UsageError for another text, with the names of all figures where that is what is wrong.
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--fail-if: got {text!r}, wanted {WANTED}")
    name, compare, sign, number, unit = match.groups()
    if name not in FIGURES:
        near = get_close_matches(name, FIGURES, n=1)
        remedy = f"did you mean {near[0]}?" if near else "etbuild compare prints those that the builds have"
        raise UsageError(f"--fail-if: got {name!r}, wanted one of {', '.join(FIGURES)}\n    {remedy}")
    scale = unit.lower() if unit.lower() in _UNITS else unit[0].lower()
    value = float(number) * _UNITS[scale] * (-1 if sign == "-" else 1)
    return Condition(text.strip(), name, compare, value, unit == "%", bool(sign))


def failures(conditions: Sequence[Condition], pairs: Sequence[Json]) -> list[Json]:
    """The conditions that hold: text, variant and the figure.

    raises: StepError for a condition on a figure that a build does not have: it must not pass unseen.
    """
    found = []
    for one in conditions:
        for pair in pairs:
            figures = {figure["name"]: figure for figure in pair["figures"]}
            if one.figure not in figures:
                known = ", ".join(figures)
                label = pair["after"]["label"]
                raise StepError(
                    f"--fail-if {one.text!r}: got no {one.figure} of {label}, wanted it in both builds\n"
                    f"    they have {known}; golden, firmware and run add others: doit report:R"
                )
            if one.holds(figures[one.figure]):
                found.append({"condition": one.text, "variant": pair["after"]["variant"], **figures[one.figure]})
    return found
