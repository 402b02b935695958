"""The section `evaluate` of a recipe: a whole data set, and the metric of the models on it. See model_sections.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.config.setting import section, setting
from etbuild.recipe.sample_settings import DATA_SUFFIXES

METRICS = ("top1", "topk", "mae", "auc")
_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
_CHANNELS: dict[str, Any] = {
    "unit": "share of the largest value of a pixel",
    "wanted": "a list with a number for each channel",
    "minItems": 1,
}


@section(
    "own_metric",
    "A metric of your own: a function of the outputs and the labels that returns a number.",
)
@dataclass(frozen=True)
class OwnMetric:
    """A function metric(outputs, labels). source is None for a metric of METRICS, which entry then names."""

    source: Path | None = setting(
        "The .py that defines it.",
        None,
        examples=["models/metrics.py"],
        required=True,
        wanted="the path of a .py file",
        suffixes=(".py",),
    )
    entry: str = setting(
        "The function: it gets the outputs, [samples, ...] each, and the labels, and returns a number.",
        "top1",
        examples=["f1"],
        required=True,
        wanted="the name of a function",
        pattern=_NAME,
    )


@dataclass(frozen=True)
class DataSet:
    """A whole data set; data is None where a recipe has none."""

    data: Path | None = setting(
        "Samples with an array of labels (.npz), samples without (.npy, .pt), a folder of such files, a folder with one"
        " folder of images or .npy files a class, or a .py with a function that yields pairs of inputs and label.",
        None,
        examples=["data/digits_test.npz", "data/validation", "data/validation.py"],
        wanted="the path of a file or folder",
        suffixes=(*DATA_SUFFIXES, ".py"),
        folder=True,
        option="",
    )
    entry: str = setting(
        "With a .py: the function that yields the samples.",
        "samples",
        examples=["validation"],
        wanted="the name of a function",
        pattern=_NAME,
    )
    samples: int | None = setting(
        "How many samples to take, from the start; all of them by default.",
        None,
        examples=[1000],
        unit="samples",
        minimum=1,
    )
    mean: tuple[float, ...] = setting(
        "With images: subtracted from each pixel, whose values are 0 to 1.",
        (),
        examples=[[0.485, 0.456, 0.406]],
        **_CHANNELS,
    )
    std: tuple[float, ...] = setting(
        "With images: what each pixel is divided by after that.", (), examples=[[0.229, 0.224, 0.225]], **_CHANNELS
    )


@section(
    "evaluate",
    "A data set that the float model, the quantised one and the compiled program are run on, and their metric.",
    examples=[
        {"data": "data/digits_test.npz", "metric": "top1", "fail_below": 0.95},
        {"data": "data/validation", "metric": {"source": "models/metrics.py", "entry": "f1"}},
    ],
    required=["data"],
)
@dataclass(frozen=True)
class Evaluate(DataSet):
    """What is evaluated, on which data; data is None where a recipe has no such section."""

    metric: OwnMetric = setting("", OwnMetric)
    k: int = setting(
        "With topk: the label must be among so many largest outputs.",
        5,
        examples=[5],
        unit="classes",
        minimum=1,
    )
    fail_below: float | None = setting(
        "The step fails when the metric of the compiled program is smaller.", None, examples=[0.95]
    )
    fail_above: float | None = setting(
        "The step fails when the metric of the compiled program is larger: for an error, such as mae.",
        None,
        examples=[0.1],
    )

    @property
    def data_set(self) -> DataSet:
        """The data without the metric: what the models are run on."""
        return DataSet(self.data, self.entry, self.samples, self.mean, self.std)

    @property
    def runs_code(self) -> bool:
        """Whether a function of the user yields the samples."""
        return self.data is not None and self.data.suffix == ".py"

    @property
    def tools(self) -> tuple[str, ...]:
        """What reads the data, beyond NumPy: any folder may have images."""
        return ("pillow",) if self.data is not None and self.data.suffix == "" else ()


METRIC: dict[str, Any] = {
    "description": "top1: share of samples whose largest output is that of their label; topk: among the k largest; mae:"
    " mean absolute difference to labels of the output's size; auc: area under the ROC curve, for labels 0 and 1; or a"
    " function of your own.",
    "anyOf": [{"enum": list(METRICS)}, {"$ref": "#/$defs/own_metric"}],
    "x-wanted": "top1, topk, mae, auc, or a mapping with source and entry",
    "default": "top1",
    "examples": ["topk", {"source": "models/metrics.py", "entry": "f1"}],
}
