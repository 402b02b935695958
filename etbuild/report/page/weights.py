"""Weights before and after Vela has encoded them, from its summaries, and the zeros in them. It decodes no weight."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Encoded(NamedTuple):
    """The weights of one delegate, in bytes. original, encoded: 0 where Vela's summary does not say."""

    delegate: int
    original: int
    encoded: int
    bytes: int
    command_bytes: int


def encoded_weights(delegates: Sequence[dict[str, Any]], folder: Path) -> list[Encoded]:
    """Of all delegates. delegates: of vela.json; folder: Vela's files."""
    rows = []
    for one in delegates:
        file = folder / f"{one['delegate']}_summary.csv"
        found = next(csv.DictReader(file.read_text(encoding="utf-8").splitlines()), {}) if file.exists() else {}
        original, encoded = (
            int(float(found.get(f"total_{name}_weights") or 0)) for name in ("original", "npu_encoded")
        )
        rows.append(Encoded(one["delegate"], original, encoded, one["weight_bytes"], one["command_bytes"]))
    return rows


def sparsity_text(layers: Sequence[dict[str, Any]]) -> str:
    """For people: the zeros of all layers together; "" without weights. layers: of report.json's weights."""
    values, zeros = (sum(one[name] for one in layers) for name in ("values", "zeros"))
    if not values:
        return ""
    return f"{zeros:,} of {values:,} weights are zero, {zeros * 100 / values:.1f} %."
