"""What the page shows of evaluate.json: the three models on the recipe's data set. It measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from etbuild.report.figures import percent

_WHO = {"float": "float model", "quantized": "quantised PyTorch", "executed": "compiled program"}
_SHARES = ("top1", "topk")


class Evaluation(NamedTuple):
    """title: of the column of values. confusion: [label][answer] of the compiled program; empty without classes."""

    title: str
    samples: int
    values: Sequence[tuple[str, str]]
    agreement: str
    confusion: Sequence[Sequence[int]]


def evaluation_of(content: dict[str, Any] | None) -> Evaluation | None:
    """None for a report without it."""
    if content is None:
        return None
    metric = content["metric"]
    values = [(who, _value(metric["name"], content["values"][name])) for name, who in _WHO.items()]
    agreement = content["agreement_of_executed"]
    title = f"{metric['name']}, k = {metric['k']}" if "k" in metric else metric["name"]
    text = f"The compiled program answers as the float model on {percent(agreement['float'])}." if agreement else ""
    return Evaluation(title, content["samples"], values, text, content["confusion"] or ())


def _value(metric: str, value: float) -> str:
    return percent(value) if metric in _SHARES else f"{value:.5g}"
