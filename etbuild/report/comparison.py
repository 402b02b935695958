"""Two builds compared: figures, settings, operators and layers, as JSON. It prints nothing and judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from etbuild.report.compared_build import FIGURES, ComparedBuild

if TYPE_CHECKING:
    from etbuild.report.figures import Json

FORMAT = 1
# Of these, more is better; of macs neither.
MORE_IS_BETTER = ("npu_share", "accuracy", "float_accuracy", "metric", "float_metric", "bit_exact")


def comparison(before: ComparedBuild, after: ComparedBuild, streams: Sequence[Json] = ()) -> Json:
    """One pair of the comparison.

    streams: what differs between their command streams, by delegate.
    """
    return {
        "before": {"label": before.label, "variant": before.variant},
        "after": {"label": after.label, "variant": after.variant},
        "figures": [
            _figure(name, before.figures[name], after.figures[name])
            for name in FIGURES
            if name in before.figures and name in after.figures
        ],
        "settings": _different(before.settings, after.settings),
        "origin": _different(before.origin, after.origin),
        "operators": _different(before.operators, after.operators, 0),
        "layers": _layers(before.layers, after.layers),
        "streams": list(streams),
    }


def better(name: str, change: float) -> int:
    """1 when a change of the figure is for the better, -1 for the worse, 0 when it is neither."""
    if not change or name == "macs":
        return 0
    return 1 if (change > 0) == (name in MORE_IS_BETTER) else -1


def _figure(name: str, before: Json, after: Json) -> Json:
    old, new = before["value"], after["value"]
    kinds = {before["kind"], after["kind"]}
    return {
        "name": name,
        "unit": after["unit"],
        "kind": after["kind"] if len(kinds) == 1 else "estimate",
        "before": old,
        "after": new,
        "change": new - old,
        "relative": (new - old) / old if old else None,
    }


def _different(before: Json, after: Json, absent: object = None) -> list[Json]:
    names = dict.fromkeys((*before, *after))
    rows = [{"name": name, "before": before.get(name, absent), "after": after.get(name, absent)} for name in names]
    return [row for row in rows if row["before"] != row["after"]]


def _layers(before: Sequence[Json], after: Sequence[Json]) -> list[Json]:
    """Each layer with its cycles before and after; None where one build has no such layer."""
    rows = []
    pairs = SequenceMatcher(None, [_key(one) for one in before], [_key(one) for one in after], autojunk=False)
    for tag, low, high, first, last in pairs.get_opcodes():
        if tag == "equal":
            rows += [_layer(*pair) for pair in zip(before[low:high], after[first:last], strict=True)]
        else:
            rows += [_layer(one, None) for one in before[low:high]]
            rows += [_layer(None, one) for one in after[first:last]]
    return rows


def _key(layer: Json) -> tuple[int, str, str]:
    """Layers that Vela has added have a number for a name, which another build may have for another layer."""
    name = layer["name"]
    return layer["delegate"], layer["original_operator"], "" if name.startswith("#") else name


def _layer(old: Json | None, new: Json | None) -> Json:
    known = new or old or {}
    cycles = old["cycles"] if old else None, new["cycles"] if new else None
    return {
        "delegate": known["delegate"],
        "name": known["name"],
        "operator": known["operator"],
        "module": known["module"],
        "kind": "estimate",
        "cycles": {"before": cycles[0], "after": cycles[1], "change": (cycles[1] or 0) - (cycles[0] or 0)},
        "sqnr_db": {"before": old["sqnr_db"] if old else None, "after": new["sqnr_db"] if new else None},
    }
