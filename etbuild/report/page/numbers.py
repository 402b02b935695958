"""Errors inside the model, layer by layer, from layers.json. It computes no error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]

# SQNR in dB at which a layer has the colour of no error, and of the largest.
FINE_DB, POOR_DB = 60.0, 10.0
BARS_WIDTH, BARS_HEIGHT = 128, 32
EQUAL = "The executed program is equal to the TOSA graphs wherever both are known."


class Numbers(NamedTuple):
    """One layer.

    rank:        1 for the worst; 0 where no value is known.
    name:        its module, or the node of the quantised program.
    operators:   what it computes.
    to_float:    SQNR of the executed program to the float model, in dB; None where there is no error or no value.
    quantized:   SQNR of the quantised program to the float model.
    lsb:         largest difference of the executed program to the quantised one.
    largest:     largest error of the executed program to the float model, in the unit of the model.
    clipped:     share of the float model's values outside of the range.
    differing:   elements in which the executed program differs from the TOSA graph; None where that is not known.
    reason:      why a value is not known.
    bars, line:  SVG paths of the histograms of the executed program and of the float model.
    samples:     of each sample: SQNR and largest error of the executed program to the float model.
    heat:        0 to 1, for the colours of the graph.
    """

    number: int
    rank: int
    name: str
    operators: str
    line: str
    place: str
    to_float: float | None
    quantized: float | None
    lsb: float | None
    largest: float | None
    clipped: float | None
    differing: int | None
    reason: str
    bars: str
    outline: str
    samples: Sequence[tuple[float | None, float]]
    heat: float

    @property
    def text(self) -> str:
        """For the graph."""
        return f"{self.to_float:.1f} dB" if self.to_float is not None else ""


class Inside(NamedTuple):
    """All layers, the worst first. of: by node of partition.json; summary: two sentences for people."""

    rows: Sequence[Numbers]
    of: Mapping[str, Numbers]
    cycles: Mapping[str, int]
    summary: str


NOTHING = Inside((), {}, {}, "")


def inside(found: Json | None) -> Inside:
    """found: the content of layers.json; None without one."""
    if found is None:
        return NOTHING
    rank = {number: place for place, number in enumerate(found["worst"], 1)}
    rows = [_row(layer, rank.get(layer["layer"], 0)) for layer in found["layers"]]
    of: dict[str, Numbers] = {}
    cycles: dict[str, int] = {}
    for row, layer in zip(rows, found["layers"], strict=True):
        nodes = [one["node"] for one in layer["operators"]]
        of |= dict.fromkeys(nodes[-1:], row)
        if layer["estimate"] and nodes:
            cycles[nodes[0]] = layer["estimate"]["cycles"]["total"]
    ordered = sorted(rows, key=lambda row: (row.rank == 0, row.rank, row.number))
    return Inside(ordered, of, cycles, _summary(found, ordered))


def _summary(found: Json, ordered: Sequence[Numbers]) -> str:
    known = [row for row in ordered if row.rank]
    text = f"{found['vectors']} samples; the value of {len(known)} of {len(ordered)} layers is known."
    if known and known[0].to_float is not None:
        text += f" Worst: {known[0].name}, {known[0].to_float:.1f} dB."
    first = found["first_difference"]
    return f"{text} {first['text'] if first else EQUAL}"


def _row(layer: Json, rank: int) -> Numbers:
    errors = layer["errors"]
    to_float, to_quantized = errors["executed_to_float"] or {}, errors["executed_to_quantized"] or {}
    histogram = layer["histogram"] or {}
    reasons = dict.fromkeys(f"{name}: {why}" for name, why in layer["not_seen"].items() if why)
    operators = [one["operator"].removesuffix(".default") for one in layer["operators"]]
    decibels = to_float.get("sqnr_db")
    return Numbers(
        layer["layer"],
        rank,
        layer["name"],
        ", ".join(operators),
        layer["line"] or "",
        layer["place"],
        decibels,
        (errors["quantized_to_float"] or {}).get("sqnr_db"),
        to_quantized.get("largest_lsb"),
        to_float.get("largest"),
        (layer["clipped"] or {}).get("float"),
        (layer["exact"] or {}).get("differing"),
        "; ".join(reasons),
        _bars(histogram.get("executed") or histogram.get("quantized") or ()),
        _outline(histogram.get("float") or ()),
        [(one["sqnr_db"], one["largest"]) for one in to_float.get("samples", ())],
        min(max((FINE_DB - decibels) / (FINE_DB - POOR_DB), 0.0), 1.0) if decibels is not None else 0.0,
    )


def _heights(counts: Sequence[int]) -> list[int]:
    # Square roots: a tail of few values is seen beside a peak of many.
    most = max(counts, default=0) or 1
    return [round(BARS_HEIGHT * (count / most) ** 0.5) for count in counts]


def _bars(counts: Sequence[int]) -> str:
    """A filled path, one bar a bin."""
    if not any(counts):
        return ""
    width = BARS_WIDTH / len(counts)
    parts = [f"M0 {BARS_HEIGHT}"]
    for number, height in enumerate(_heights(counts), 1):
        parts.append(f"V{BARS_HEIGHT - height}H{width * number:g}")
    return "".join((*parts, f"V{BARS_HEIGHT}Z"))


def _outline(counts: Sequence[int]) -> str:
    """The same without its lower edge."""
    return _bars(counts).removesuffix(f"V{BARS_HEIGHT}Z")


__all__ = ["NOTHING", "Inside", "Numbers", "inside"]
