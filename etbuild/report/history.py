"""The figures of a recipe over the commits: the JSON of a commit's note, and what people see of all of them.

It reads no build and no repository.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from etbuild.errors import StepError
from etbuild.report.compared_build import FIGURES
from etbuild.report.comparison_text import change_text, values
from etbuild.report.figures import aligned

if TYPE_CHECKING:
    from etbuild.report.figures import Json

FORMAT = 1
# Points of a line, and changes that are listed; JSON has all.
MOST_POINTS = 40
MOST_CHANGES = 10
_BARS = "▁▂▃▄▅▆▇█"

Figures = Mapping[str, "Json"]


@dataclass(frozen=True)
class Point:
    """One commit. commit: "" for what is not committed. variants: figures by variant, each with value and unit."""

    commit: str
    time_s: int
    subject: str
    variants: Mapping[str, Figures]

    @property
    def name(self) -> str:
        return self.commit[:9] or "uncommitted"


def with_recipe(note: str, recipe: str, variants: Mapping[str, Figures]) -> str:
    """The note of a commit with the figures of a recipe in it; those of other recipes stay.

    raises: StepError for a note that is not of this format.
    """
    recipes = _recipes(note, "the note") if note.strip() else {}
    recipes[recipe] = {
        variant: {name: {"value": one["value"], "unit": one["unit"]} for name, one in figures.items()}
        for variant, figures in variants.items()
    }
    return json.dumps({"format": FORMAT, "recipes": recipes}, indent=1, sort_keys=True) + "\n"


def variants_in(note: str, recipe: str, place: str) -> Json | None:
    """The figures of a recipe in a note; None when it has none. raises: as `with_recipe`."""
    found: Json | None = _recipes(note, place).get(recipe)
    return found


def _recipes(note: str, place: str) -> Json:
    try:
        content = json.loads(note)
        recipes: Json = content["recipes"]
        if content["format"] != FORMAT or not isinstance(recipes, dict):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise StepError(f"{place}: got another text, wanted the figures that etbuild writes into it") from None
    return recipes


def history_json(recipe: str, points: Sequence[Point]) -> Json:
    """Everything, the oldest commit first."""
    rows = [
        {"commit": one.commit or None, "time_s": one.time_s, "subject": one.subject, "variants": one.variants}
        for one in points
    ]
    return {"format": FORMAT, "recipe": recipe, "commits": rows}


def history_text(recipe: str, points: Sequence[Point]) -> str:
    """A drawing of each figure that changed for each variant, and the last commits that changed any."""
    variants = dict.fromkeys(variant for point in points for variant in point.variants)
    parts = ["\n".join(_variant(recipe, variant, points)) for variant in variants]
    return "\n\n".join(parts) + "\n"


def _variant(recipe: str, variant: str, points: Sequence[Point]) -> Iterator[str]:
    known = [point for point in points if variant in point.variants]
    first, last = known[0], known[-1]
    span = f"{first.name} of {_day(first)} to {last.name} of {_day(last)}" if len(known) > 1 else last.name
    yield f"{recipe}@{variant}  {len(known)} {'commits' if len(known) > 1 else 'commit'}: {span}"
    names = [name for name in FIGURES if any(name in point.variants[variant] for point in known)]
    rows, equal = [], []
    for name in names:
        series = [point.variants[variant][name] for point in known if name in point.variants[variant]]
        row = _change(name, series[0], series[-1])
        if len({one["value"] for one in series}) == 1:
            equal.append(f"{name} {values(row)[1]}")
        else:
            rows.append((name, *values(row), change_text(row), f"  {_line([one['value'] for one in series])}"))
    if rows:
        lines = aligned(("", "first", "last", "change", ""), rows)
        yield from (line.rstrip() for line in lines)
    if equal:
        yield f"always: {', '.join(equal)}"
    yield from _changes(variant, known)


def _changes(variant: str, known: Sequence[Point]) -> Iterator[str]:
    lines = []
    for before, after in pairwise(known):
        old, new = before.variants[variant], after.variants[variant]
        rows = [_change(name, old[name], new[name]) for name in FIGURES if name in old and name in new]
        texts = [f"{row['name']} {change_text(row)}" for row in rows if row["change"]]
        if texts:
            lines.append(f"    {after.name}  {_day(after)}  {', '.join(texts)}  {after.subject}".rstrip())
    yield from lines[-MOST_CHANGES:]


def _change(name: str, old: Json, new: Json) -> Json:
    change = new["value"] - old["value"]
    relative = change / old["value"] if old["value"] else None
    sides = {"before": old["value"], "after": new["value"]}
    return {"name": name, "unit": new["unit"], **sides, "change": change, "relative": relative}


def _line(points: Sequence[float]) -> str:
    """A bar for each value, from the lowest to the highest; the last MOST_POINTS."""
    shown = points[-MOST_POINTS:]
    low, high = min(shown), max(shown)
    steps = (len(_BARS) - 1) / (high - low) if high > low else 0
    return "".join(_BARS[round((value - low) * steps)] for value in shown)


def _day(point: Point) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(point.time_s)) if point.commit else "now"
