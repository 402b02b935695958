"""What the page shows of sensitivity.json: the layers whose quantisation costs most. It measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from etbuild.report.figures import percent
from etbuild.report.sensitivity_table import MOST_ROWS, db_text


class Cost(NamedTuple):
    """Of one layer: alone, as a share of all, and its two parts, as text."""

    name: str
    line: str
    alone: str
    share: str
    weights: str
    value: str


class Sensitivity(NamedTuple):
    """rows: the worst first, not all of them. left: how many more there are."""

    vectors: int
    together: str
    rows: Sequence[Cost]
    left: int


def sensitivity_of(content: dict[str, Any] | None) -> Sensitivity | None:
    """None for a report without it."""
    if content is None:
        return None
    rows = [_cost(one) for one in content["layers"][:MOST_ROWS]]
    return Sensitivity(content["vectors"], db_text(content["sqnr_db"]), rows, len(content["layers"]) - len(rows))


def _cost(one: dict[str, Any]) -> Cost:
    parts = one["parts_db"] or {}
    weights, value = (db_text(parts[name]) if parts else "" for name in ("weights", "value"))
    name = " ".join((one["name"], *one["operators"]))
    return Cost(name, one["line"] or "", db_text(one["sqnr_db"]), percent(one["share"]), weights, value)
