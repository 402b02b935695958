"""build/index.html: all recipes side by side, and what the last builds have done. It builds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from etbuild.report.page import verdict
from etbuild.report.page.recipe_page import STATES, WHOLE
from etbuild.report.page.render import rendered

Json = dict[str, Any]


class Ran(NamedTuple):
    """How a step came to its outputs last. how: "ran" or "cached"; seconds: of its run, or of the copy; why: it ran."""

    step: str
    how: str
    seconds: float
    why: str

    @property
    def kind(self) -> str:
        return self.step.partition(":")[0]


class Row(NamedTuple):
    """A variant of a recipe."""

    recipe: str
    variant: str
    state: str
    state_text: str
    verdicts: Sequence[verdict.Verdict]
    pte_bytes: int
    sram_bytes: int
    seconds: float | None


class Pipeline(NamedTuple):
    """The steps of a recipe in the order of the build. longest: seconds of the longest."""

    recipe: str
    steps: Sequence[Ran]
    longest: float
    total: float
    cached: int


def index_page(rows: Sequence[Row], ran: Mapping[str, Sequence[Ran]]) -> str:
    """The text of index.html.

    rows: of all recipes, from `rows_of`.
    ran:  the steps of each recipe of which it is known how they came to their outputs.
    """
    pipelines = [_pipeline(name, steps) for name, steps in ran.items() if steps]
    return rendered("index.html.j2", {"rows": rows, "pipelines": pipelines, "state_names": STATES})


def rows_of(report: Json) -> list[Row]:
    """The variants of a recipe. report: the content of its report.json."""
    return [_row(report, one) for one in report["variants"]]


def _row(report: Json, variant: Json) -> Row:
    profile = next(one for one in report["profiles"] if one["profile"] == variant["profile"])
    lines = verdict.verdicts(report["recipe"], profile, variant)
    figures = {name: one["value"] for name, one in variant["figures"].items()}
    state = verdict.worst(lines)
    sizes = figures["pte_bytes"], figures["sram_bytes"]
    return Row(report["recipe"], variant["variant"], state, WHOLE[state], lines, *sizes, figures.get("inference_s"))


def _pipeline(recipe: str, steps: Sequence[Ran]) -> Pipeline:
    seconds = [one.seconds for one in steps]
    return Pipeline(recipe, steps, max(seconds) or 1.0, sum(seconds), sum(one.how == "cached" for one in steps))
