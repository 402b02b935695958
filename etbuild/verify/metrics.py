"""The metrics of step evaluate: numbers about a model's outputs and the labels of a data set. They run no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile.inputs import kind
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.verify.answers import Answers

SHARES = ("top1", "topk", "auc")
# Of one model: what each sample's answer is, for people: a class, a score, or an error.
Column = Any


class Measured(NamedTuple):
    """Of one model. answers: [samples]; classes are integers."""

    value: float
    answers: Column


def measure(name: str, answers: Answers, labels: Any, k: int) -> Measured:
    """A metric of the recipe's own names. raises: StepError for labels or outputs that it does not fit."""
    functions: dict[str, Callable[[Answers, Any, int], Measured]] = {
        "top1": lambda found, right, _: _top(found, right, 1, "top1"),
        "topk": lambda found, right, count: _top(found, right, count, "topk"),
        "mae": lambda found, right, _: _mae(found, right),
        "auc": lambda found, right, _: _auc(found, right),
    }
    if labels is None:
        remedy = "an array labels in the .npz, a folder a class, or the second of each pair that a function yields"
        raise StepError(f"evaluate.metric: {name}: got data without labels, wanted one for each sample\n    {remedy}")
    _finite(answers.outputs)
    return functions[name](answers, labels, k)


def own(function: Callable[..., Any], name: str, answers: Answers, labels: Any) -> Measured:
    """A metric of the user. raises: StepError when it returns no number."""
    import numpy as np

    outputs = tuple(np.array(output) for output in answers.outputs)
    value = function(outputs[0] if len(outputs) == 1 else outputs, labels)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise StepError(f"{name}: got {kind(value)}, wanted a number") from None
    if not np.isfinite(number):
        raise StepError(f"{name}: got {number}, wanted a finite number")
    return Measured(number, shown(answers))


def shown(answers: Answers) -> Column:
    """The class of each sample; of a model with one output element its value."""
    output = answers.outputs[0].reshape(len(answers.outputs[0]), -1)
    return output.argmax(1) if output.shape[1] > 1 else output[:, 0]


def confusion(labels: Any, answers: Column, classes: int) -> list[list[int]]:
    """[label][answer]: how many samples of that label have that answer."""
    import numpy as np

    table = np.zeros((classes, classes), int)
    np.add.at(table, (labels.reshape(-1).astype(int), answers), 1)
    return [[int(count) for count in row] for row in table]


def _top(answers: Answers, labels: Any, k: int, name: str) -> Measured:
    import numpy as np

    output = answers.outputs[0].reshape(len(labels), -1)
    right, classes = class_labels(labels, output.shape[1], name), output.shape[1]
    if k > classes:
        raise StepError(f"evaluate.k: got {k}, wanted at most {classes}, the classes of the model")
    own_value = np.take_along_axis(output, right[:, None], 1)
    # Of equal outputs the first counts, as for argmax.
    before = (output > own_value).sum(1) + ((output == own_value) & (np.arange(classes) < right[:, None])).sum(1)
    return Measured(float((before < k).mean()), output.argmax(1))


def class_labels(labels: Any, classes: int, name: str) -> Any:
    """Labels as integers, [samples]. raises: StepError for others."""
    import numpy as np

    place = f"evaluate.metric: {name}"
    if classes < 2:
        raise StepError(f"{place}: got a model with one output element, wanted one a class\n    mae or auc fits it")
    if labels.size != len(labels):
        shape = list(labels.shape[1:])
        raise StepError(
            f"{place}: got labels of shape {shape}, wanted one class a sample\n    mae compares such labels"
        )
    flat = np.asarray(labels).reshape(-1)
    if not np.isfinite(flat).all() or (flat != np.floor(flat)).any():
        bad = flat[~np.isfinite(flat) | (flat != np.floor(flat))][0]
        raise StepError(f"{place}: got the label {bad}, wanted classes: integers from 0 to {classes - 1}")
    if flat.min() < 0 or flat.max() >= classes:
        number = int(((flat < 0) | (flat >= classes)).argmax())
        raise StepError(
            f"{place}: sample {number}: got the label {int(flat[number])}, wanted a class from 0 to {classes - 1}, "
            "which the model has"
        )
    return flat.astype(np.int64)


def _mae(answers: Answers, labels: Any) -> Measured:
    import numpy as np

    output = answers.outputs[0].reshape(len(labels), -1).astype(np.float64)
    wanted = np.asarray(labels).reshape(len(labels), -1).astype(np.float64)
    if wanted.shape != output.shape:
        raise StepError(
            f"evaluate.metric: mae: got labels of {wanted.shape[1]} elements a sample, wanted {output.shape[1]}, "
            "as many as the first output has"
        )
    if not np.isfinite(wanted).all():
        raise StepError("evaluate.metric: mae: got NaN or infinity among the labels, wanted finite values")
    errors = np.abs(output - wanted).mean(1)
    return Measured(float(errors.mean()), errors)


def _auc(answers: Answers, labels: Any) -> Measured:
    """The share of pairs of a sample with label 1 and one with label 0 whose first has the larger score."""
    import numpy as np

    flat = np.asarray(labels).reshape(-1)
    found = sorted(set(flat.tolist()))
    if len(flat) != len(labels) or found != [0, 1]:
        shown_labels = ", ".join(f"{label:g}" for label in found[:5])
        raise StepError(f"evaluate.metric: auc: got the labels {shown_labels}, wanted 0 and 1, each for some samples")
    scores = _scores(answers, len(labels))
    ordered = np.sort(scores[flat == 0])
    positive = scores[flat == 1]
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return Measured(float(below.sum() / (2 * len(ordered) * len(positive))), scores)


def _scores(answers: Answers, count: int) -> Any:
    import numpy as np

    if answers.error is not None:
        return np.asarray(answers.error)
    output = answers.outputs[0].reshape(count, -1).astype(np.float64)
    if output.shape[1] > 2:
        raise StepError(
            f"evaluate.metric: auc: got a model with {output.shape[1]} output elements, wanted a score, two classes, "
            "or an output of the input's size\n    a metric of your own takes any: evaluate: {metric: {source, entry}}"
        )
    return output[:, 0] if output.shape[1] == 1 else output[:, 1] - output[:, 0]


def _finite(outputs: Sequence[Any]) -> None:
    import numpy as np

    for index, output in enumerate(outputs):
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            rows = ~np.isfinite(output.reshape(len(output), -1)).all(1)
            raise StepError(f"sample {int(rows.argmax())}: output {index}: got NaN or infinity, wanted finite values")
