"""What the page shows of evaluate.json: the three models on the recipe's data set. It measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from etbuild.report.figures import percent

EXECUTED = "compiled program"
_WHO = {"float": "float model", "quantized": "quantised PyTorch", "executed": EXECUTED}
_SHARES = ("top1", "topk")
_BOUNDED = (*_SHARES, "auc")
_MOST_SHARE, _MOST_RATIO = 0.01, 0.05


class Evaluation(NamedTuple):
    """title: of the column of values. confusion: [label][answer] of the compiled program; empty without classes.

    state: of a verdict: warn if the compiled program is worse than the float model, by more than 1 % of all answers or
    a twentieth of another metric; unknown where nothing says whether more is better.
    """

    title: str
    samples: int
    values: Sequence[tuple[str, str]]
    agreement: str
    confusion: Sequence[Sequence[int]]
    state: str


def evaluation_of(content: dict[str, Any] | None) -> Evaluation | None:
    """None for a report without it."""
    if content is None:
        return None
    metric = content["metric"]
    values = [(who, _value(metric["name"], content["values"][name])) for name, who in _WHO.items()]
    agreement = content["agreement_of_executed"]
    title = f"{metric['name']}, k = {metric['k']}" if "k" in metric else metric["name"]
    text = f"The compiled program answers as the float model on {percent(agreement['float'])}." if agreement else ""
    return Evaluation(title, content["samples"], values, text, content["confusion"] or (), _state(content))


def _state(content: dict[str, Any]) -> str:
    name, limits, before = content["metric"]["name"], content["limits"], content["values"]["float"]
    loss = before - content["values"]["executed"]
    if name in _BOUNDED:
        return "good" if loss <= _MOST_SHARE else "warn"
    if name == "mae" or limits["fail_above"] is not None:
        loss = -loss
    elif limits["fail_below"] is None:
        return "unknown"
    return "good" if loss <= _MOST_RATIO * abs(before) else "warn"


def _value(metric: str, value: float) -> str:
    return percent(value) if metric in _SHARES else f"{value:.5g}"
