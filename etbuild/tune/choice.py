"""Which of the tried candidates are on the Pareto front, and which one wins. It builds nothing.

A candidate is on the front when no other is at least as good in cycles, .pte bytes, SRAM and SQNR, and better in one.
The winner is as accurate as the recipe at least, with no more operators on the CPU, and gains most: its share of the
SQNR that int16x8 in all layers gains, less its share of the cycles that this costs. Those come first that have nearly
all of the gain for little of the cost; a decibel more than all of the gain is worth a few of the recipe's cycles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etbuild.tune.search import is_sound

if TYPE_CHECKING:
    from etbuild.tune.candidate import Candidate

# Where int16x8 costs or gains less than this share of the recipe's cycles, or decibels, these count instead.
_LEAST_CYCLES, _LEAST_DB = 0.05, 1.0
# Shares of int16x8's gain in decibels, and of the cycles that it costs.
_NEARLY_ALL, _LITTLE = 0.9, 0.15
# What a decibel beyond the gain of int16x8 is worth, as a share of the recipe's cycles, and how many of them count.
_CYCLES_OF_DB, _MOST_DB = 0.005, 15.0
# What SRAM as large as the recipe's counts: it decides between settings that are alike in all else.
_SRAM = 0.02
Json = dict[str, Any]


def rows_of(tried: Sequence[Candidate], known: Mapping[str, Json]) -> list[Json]:
    """One for each, in their order: its settings, figures and whether it is on the front. The first is the recipe."""
    rows: list[Json] = [{"settings": one.key, "figures": known[one.key]} for one in tried]
    sound = [row for row in rows if is_sound(row["figures"])]
    base = rows[0]["figures"]
    wide = known.get("int16x8", {})
    for row in rows:
        figures = row["figures"]
        row["front"] = row in sound and not any(_is_better(other["figures"], figures) for other in sound)
        # Of settings that give equal figures the first.
        row["front"] &= next(other for other in rows if other["figures"] == figures) is row
        judged = row in sound and is_sound(base)
        gain, cost, more = _shares(figures, base, wide) if judged else (0.0, 0.0, 0.0)
        row["gain"], row["cost"] = round(gain, 4), round(cost, 4)
        share = figures["sram_bytes"] / max(base["sram_bytes"], 1) if judged else 1.0
        row["score"] = round(min(gain, 1.0) + more - cost - _SRAM * share, 4)
    return rows


def winner_of(rows: Sequence[Json]) -> int:
    """Its number, of one on the front; 0, the recipe, where nothing is better."""
    base = rows[0]["figures"]
    if not is_sound(base):
        return 0
    fit = [number for number, row in enumerate(rows) if row["front"] and _is_as_good(row["figures"], base)]
    return max(fit, key=lambda number: (*_rank(rows[number]), -number), default=0)


def _rank(row: Json) -> tuple[bool, float]:
    return row["gain"] >= _NEARLY_ALL and row["cost"] <= _LITTLE, row["score"]


def _is_as_good(figures: Json, base: Json) -> bool:
    known = figures["accuracy"] is not None and base["accuracy"] is not None
    right = figures["accuracy"] >= base["accuracy"] if known else True
    return bool(right and figures["sqnr_db"] >= base["sqnr_db"] and figures["on_cpu"] <= base["on_cpu"])


def _shares(figures: Json, base: Json, wide: Json) -> tuple[float, float, float]:
    """Of int16x8's gain in decibels, and of the cycles that it costs, less than none for fewer than the recipe's; and
    what the gain beyond it is worth, as such a share."""
    gain = max(wide["sqnr_db"] - base["sqnr_db"], _LEAST_DB) if is_sound(wide) else _LEAST_DB
    least = base["cycles"] * _LEAST_CYCLES
    cost = max(wide["cycles"] - base["cycles"], least) if is_sound(wide) else least
    gained = figures["sqnr_db"] - base["sqnr_db"]
    beyond = min(max(gained - gain, 0.0), _MOST_DB) * _CYCLES_OF_DB * base["cycles"]
    return gained / gain, (figures["cycles"] - base["cycles"]) / cost, beyond / cost


def _is_better(one: Json, other: Json) -> bool:
    """In something, and worse in nothing."""
    pairs = [(one[name], other[name]) for name in ("cycles", "pte_bytes", "sram_bytes", "on_cpu")]
    pairs.append((-one["sqnr_db"], -other["sqnr_db"]))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
