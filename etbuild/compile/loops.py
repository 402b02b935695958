"""Refuses a loop that ExecuTorch cannot write into a program. It changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etbuild.errors import StepError


def require_no_loop(name: Path, operators: Sequence[dict[str, Any]]) -> None:
    """A `while_loop` runs inside a delegate alone: ExecuTorch's emitter has cond, map and scan.

    name:      of the program's file, for a loop without a line.
    operators: of partition.json, before delegates have numbers.
    raises:    StepError with the line of the model.
    """
    for one in operators:
        if one["operator"] == "while_loop" and one["delegate"] is None:
            reason = (one["reason"] or "").rstrip(".")
            raise StepError(
                f"{one['line'] or name}: got while_loop on the CPU, wanted it in a delegate of an Ethos-U85\n"
                f"    {reason}; ExecuTorch writes no loops for the CPU: unroll it, or use torch.cond"
            )
