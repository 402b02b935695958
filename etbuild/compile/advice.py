"""What to use instead of an operator that ExecuTorch left on the CPU, from advice.yaml. It changes no model."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("advice.yaml")


class Advice(NamedTuple):
    """One entry of advice.yaml, see there."""

    operator: re.Pattern[str]
    reason: re.Pattern[str]
    profile: str | None
    use: str

    def applies(self, operator: str, reason: str, profile: str) -> bool:
        return (
            self.profile in (None, profile)
            and self.operator.fullmatch(operator.rpartition(".")[0]) is not None
            and self.reason.search(reason) is not None
        )


def advice_for(operator: str, reason: str, profile: str) -> str | None:
    """What to use instead, in one line; None where nothing is known.

    operator: of partition.json, "upsample_bilinear2d.vec".
    reason:   ExecuTorch's, why it is on the CPU.
    """
    text = " ".join(reason.split())
    return next((one.use for one in table() if one.applies(operator, text, profile)), None)


@functools.cache
def table() -> tuple[Advice, ...]:
    """All entries, in the order of the file."""
    import yaml

    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(
        Advice(
            re.compile(row.get("operator", ".*")),
            re.compile(row.get("reason", "")),
            row.get("profile"),
            " ".join(row["use"].split()),
        )
        for row in rows
    )
