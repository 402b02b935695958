"""What step evaluate writes: metrics, how far the models agree, and a line for each sample. It runs no model."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.errors import StepError
from etbuild.verify.metrics import Measured, confusion

if TYPE_CHECKING:
    from etbuild.verify.answers import Answers, Recorded

# The models in the order of the columns.
MODELS = ("float", "quantized", "executed")
NAMES = {"float": "float", "quantized": "quantised", "executed": "compiled"}
# More classes make no table that anybody reads.
MOST_CLASSES = 32
_COLUMNS = ("sample", "name", "label", *MODELS, "agree", "max_error")


class Evaluated(NamedTuple):
    """The models on one data set. errors: [samples], the largest difference of executed to float."""

    recorded: Recorded
    measured: Mapping[str, Measured]
    errors: Any

    @property
    def has_classes(self) -> bool:
        """Whether the answers are classes."""
        return all(one.answers.dtype.kind == "i" for one in self.measured.values())


def joined(predicted: Recorded, executed: Recorded) -> Recorded:
    """All models' answers. raises: StepError when the steps had other samples."""
    differing = len(predicted.digests) != len(executed.digests)
    if not differing:
        rows = (predicted.digests != executed.digests).any(1)
        differing = bool(rows.any())
    if differing:
        number = int(rows.argmax()) if len(predicted.digests) == len(executed.digests) else len(executed.digests)
        raise StepError(
            f"evaluate.data: sample {number}: got other inputs when the models ran, wanted the same each time\n"
            "    let the function yield the same samples in the same order whenever it is called; seed what is random"
        )
    return replace(predicted, models={**predicted.models, **executed.models})


def evaluate(recorded: Recorded, measure: Callable[[Answers, Any], Measured]) -> Evaluated:
    """The metric of all models. raises: StepError, which names the model where only its outputs do not fit."""
    measured = {name: measure(recorded.models[name], recorded.labels) for name in MODELS}
    return Evaluated(recorded, measured, _errors(recorded))


def report(found: Evaluated, metric: Mapping[str, Any], limits: Mapping[str, float | None]) -> dict[str, Any]:
    """The content of evaluate.json, without variant and program."""
    labels, one = found.recorded.labels, found.measured["executed"]
    agreement, table = None, None
    if found.has_classes:
        others = ("float", "quantized")
        agreement = {name: float((one.answers == found.measured[name].answers).mean()) for name in others}
        classes = found.recorded.models["executed"].outputs[0][0].size
        if labels is not None and labels.size == len(labels) and classes <= MOST_CLASSES:
            table = confusion(labels, one.answers, classes)
    return {
        "metric": dict(metric),
        "samples": len(found.recorded.names),
        "values": {name: found.measured[name].value for name in MODELS},
        "agreement_of_executed": agreement,
        "max_error": float(found.errors.max()),
        "confusion": table,
        "limits": dict(limits),
    }


def write_samples(found: Evaluated, path: Path) -> None:
    """evaluate.csv: a line for each sample; agree: whether the compiled program answers as the float model does."""
    labels = found.recorded.labels
    columns = [found.measured[name].answers for name in MODELS]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for number, name in enumerate(found.recorded.names):
            label = "" if labels is None or labels.size != len(labels) else _text(labels.reshape(-1)[number])
            agree = int(columns[0][number] == columns[2][number]) if found.has_classes else ""
            answers = [_text(column[number]) for column in columns]
            rows.writerow([number, name, label, *answers, agree, _text(found.errors[number])])


def check(values: Mapping[str, float], metric: str, limits: Mapping[str, float | None]) -> None:
    """raises: StepError when the compiled program is beyond a limit of the recipe."""
    got = values["executed"]
    others = f"{values['quantized']:.4g} quantised, {values['float']:.4g} float"
    for key, worse, word in (
        ("fail_below", got < (_or(limits["fail_below"], -math.inf)), "at least"),
        ("fail_above", got > (_or(limits["fail_above"], math.inf)), "at most"),
    ):
        if worse:
            accepted = math.floor(got * 1e4) / 1e4 if key == "fail_below" else math.ceil(got * 1e4) / 1e4
            raise StepError(
                f"evaluate.{key}: got {metric} {got:.4g} of the compiled program ({others}), wanted {word} "
                f"{limits[key]:g}\n    evaluate: {{{key}: {accepted:g}}} accepts it"
            )


def summary(content: Mapping[str, Any]) -> str:
    """One line for the user."""
    values = ", ".join(f"{NAMES[name]} {content['values'][name]:.4g}" for name in MODELS)
    return f"{content['metric']['name']} on {content['samples']} samples: {values}"


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _text(value: Any) -> str:
    return str(int(value)) if float(value) == int(value) and value.dtype.kind in "iub" else f"{float(value):.7g}"


def _errors(recorded: Recorded) -> Any:
    import numpy as np

    count = len(recorded.names)
    largest = np.zeros(count)
    both = zip(recorded.models["executed"].outputs, recorded.models["float"].outputs, strict=True)
    for executed, floating in both:
        difference = np.abs(executed.reshape(count, -1).astype(np.float64) - floating.reshape(count, -1))
        largest = np.maximum(largest, difference.max(1, initial=0.0))
    return largest
