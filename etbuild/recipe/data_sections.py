"""The sections of a recipe about quantisation and verification: quantize, calibration, rule, vectors, golden.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.config.setting import TEXT, section, setting
from etbuild.recipe.method_sections import MethodSamples
from etbuild.recipe.qat_sections import Qat
from etbuild.recipe.sample_settings import DATA, DATA_LIMITS
from etbuild.recipe.weight_sections import WeightChange

SCHEMES = ("int8", "int16x8", "a8w4", "none")
OBSERVERS = ("histogram", "minmax", "percentile", "mse")
PERCENTILE = 99.9


def _methods(example: object) -> Any:
    return setting(
        "Samples for methods of model.methods, by name; those without have random ones.",
        (),
        examples=[example],
        wanted="a mapping of methods",
        option="--method",
        by_name=True,
        minProperties=1,
    )


@dataclass(frozen=True)
class Data:
    """Samples on disk: .npy, .npz, .pt, or a folder of such files, in the order of their names.

    An array's first axis counts samples; each sample is reshaped to the model's input. .npz: `input_0`, `input_1`...,
    by the name of the input (or any single name) and, optionally, `labels` ([samples], integer classes).
    data:    None for random samples with the shapes of the example inputs.
    samples: how many to use, from the start; None for all.
    seed:    when set, `samples` of them are chosen at random.
    methods: samples of one method each, where the model has several.
    """

    data: Path | None = setting(f"{DATA}.", None, **DATA_LIMITS)
    samples: int | None = setting(
        "How many samples to take, from the start; all of them by default.",
        None,
        examples=[64],
        unit="samples",
        minimum=1,
        maximum=1000000,
    )
    seed: int | None = setting(
        "Take a random choice of `samples` samples instead of the first ones; without `data`, the seed of the random"
        " ones.",
        None,
        examples=[0],
        minimum=0,
        maximum=2**32 - 1,
    )
    methods: tuple[MethodSamples, ...] = _methods({"encode": {"samples": 8}})


@section(
    "calibration",
    "Samples that set the ranges of the quantised values; random ones like the example inputs by default.",
    examples=[{"data": "data/digits_calibration.npz", "samples": 64}],
)
@dataclass(frozen=True)
class Calibration(Data):
    """Samples that set the ranges of the quantised values."""

    data: Path | None = setting(f"{DATA}.", None, examples=["data/digits_calibration.npz"], **DATA_LIMITS)
    methods: tuple[MethodSamples, ...] = _methods({"encode": {"data": "data/frames.npz"}})


@section(
    "vectors",
    "Test inputs; random ones like the example inputs by default.",
    examples=[{"data": "data/digits_test.npz", "samples": 64}],
)
@dataclass(frozen=True)
class Vectors(Data):
    """Test inputs, and their labels if there are any."""

    data: Path | None = setting(
        f"{DATA} and, where there are any, labels: the right class of each sample, [samples] integers.",
        None,
        examples=["data/digits_test.npz"],
        **DATA_LIMITS,
    )
    methods: tuple[MethodSamples, ...] = _methods({"decode": {"samples": 8}})


_OBSERVER = (
    "Which range an activation gets from what the calibration has shown. histogram: that of the least estimated error;"
    " minmax: all values; percentile: all but the outermost values; mse: that of the least squared error."
)
_PERCENTILE: dict[str, Any] = {"unit": "percent of the values", "exclusiveMinimum": 50, "maximum": 100}


@dataclass(frozen=True)
class OfModules:
    """The keys by which an entry of a recipe names modules of the model; see etbuild.compile.modules_of_nodes."""

    module_name: str | None = setting(
        "A module of the model by its dotted name, with all modules below it.",
        None,
        examples=["features.0"],
        wanted="the dotted name of a module",
        pattern=TEXT,
    )
    module_type: str | None = setting(
        "Every module of a class, with or without its package.",
        None,
        examples=["torch.nn.Linear"],
        wanted="the name of a class",
        pattern=TEXT,
    )


@section(
    "rule",
    "One exception: exactly one of module_name, module_type and operator, and its scheme.",
    examples=[{"module_type": "torch.nn.Linear", "scheme": "int16x8"}],
)
@dataclass(frozen=True)
class Rule(OfModules):
    """One exception from the quantisation scheme. Exactly one of module_name, module_type and operator is set."""

    operator: str | None = setting(
        "Every call of an operator: aten.add.Tensor, or add for all its overloads.",
        None,
        examples=["aten.add.Tensor", "softmax"],
        wanted="the name of an operator",
        pattern=TEXT,
    )
    scheme: str = setting(
        "What these are quantised to; none leaves them float.", "", examples=["int16x8"], required=True, ref="scheme"
    )
    observer: str | None = setting(
        "How their activations' ranges are found, in place of quantize.observer.",
        None,
        examples=["percentile"],
        enum=list(OBSERVERS),
    )
    percentile: float | None = setting(
        "As quantize.percentile, with observer: percentile.", None, examples=[99.9], **_PERCENTILE
    )

    per_channel: bool | None = setting(
        "As quantize.per_channel, for the weights of these.", None, examples=[False], off="--per-tensor"
    )

    @property
    def kind(self) -> str:
        """Which of the three fields is set."""
        return "module_name" if self.module_name else "module_type" if self.module_type else "operator"

    @property
    def match(self) -> str:
        """The value of that field."""
        return self.module_name or self.module_type or self.operator or ""

    def to_argument(self) -> str:
        """The rule as one command-line argument of a step; `parse` reads it back."""
        scales = "" if self.per_channel is None else "/channel" if self.per_channel else "/tensor"
        observer = "" if self.observer is None else f",{self.observer}"
        percentile = "" if self.percentile is None else f",{self.percentile}"
        return f"{self.kind}:{self.match}:{self.scheme}{scales}{observer}{percentile}"

    @classmethod
    def parse(cls, text: str) -> Rule:
        """raises: ValueError."""
        kind, rest = text.split(":", 1)
        match, how = rest.rsplit(":", 1)
        scheme, observer, percentile, *_ = (*how.split(","), None, None)
        if kind not in ("module_name", "module_type", "operator"):
            raise ValueError(f"{kind} is no kind of rule")
        given: dict[str, Any] = {kind: match}
        scheme, _, scales = (scheme or "").partition("/")
        last = {"percentile": float(percentile) if percentile else None}
        return cls(
            **given, scheme=scheme, observer=observer, per_channel=scales == "channel" if scales else None, **last
        )


@section(
    "quantize",
    "How floats become the integers that an NPU computes with.",
    examples=[{"scheme": "int8", "calibration": {"data": "data/digits_calibration.npz", "samples": 64}}],
)
@dataclass(frozen=True)
class Quantize:
    """How floats become integers. io: the type of the model's inputs and outputs."""

    scheme: str = setting(
        "int8: activations and weights of 8 bits; int16x8: activations of 16, weights of 8; a8w4: activations of 8,"
        " weights of 4; none: float, for the CPU alone.",
        "int8",
        examples=["int8"],
        ref="scheme",
        choices=SCHEMES,
        always=True,
    )
    per_channel: bool = setting(
        "One scale for each output channel of the weights instead of one for the tensor.",
        True,
        examples=[True],
        off="--per-tensor",
    )
    calibration: Data = setting("", Calibration)
    rules: tuple[Rule, ...] = setting(
        "Exceptions from the scheme; of several that match, the first counts.",
        (),
        examples=[
            [
                {"module_name": "classifier", "scheme": "int16x8"},
                {"operator": "aten.softmax.int", "scheme": "none"},
            ]
        ],
        wanted="a list of rules",
        option="--rule",
    )
    io: str = setting(
        "Type of the model's inputs and outputs. With float32, the operators that"
        " quantize inputs and dequantize outputs run on the CPU.",
        "float32",
        examples=["float32"],
        enum=["float32", "int8", "uint8"],
    )
    observer: str = setting(_OBSERVER, "histogram", examples=["minmax"], enum=list(OBSERVERS))
    percentile: float = setting(
        "With observer: percentile, the share of an activation's values below the end of its range; above the start of"
        " the range is the same share.",
        PERCENTILE,
        examples=[99.99],
        **_PERCENTILE,
    )
    qat: Qat = setting("", Qat)
    weights: tuple[WeightChange, ...] = setting(
        "Changes of the float weights before they are quantised, one after the other.",
        (),
        examples=[[{"method": "equalise"}, {"method": "correct_bias"}]],
        wanted="a list of changes",
        option="--weights",
    )


@section("golden", "What may differ before a build fails.", examples=[{"lsb": 0, "accuracy": 0.95}])
@dataclass(frozen=True)
class Golden:
    """The differences at which a build fails; None for no limit. lsb: of integers. atol, rtol: of floats."""

    lsb: int | None = setting(
        "Largest difference between the expected outputs and those of the quantised PyTorch program, which simulates"
        " integers in floating point. Without it the difference is only reported. What the NPU computes is always"
        " compared with the TOSA reference model, and must be equal.",
        None,
        examples=[0],
        unit="LSB of the output",
        minimum=0,
        maximum=65535,
    )
    atol: float | None = setting(
        "Largest absolute difference between the quantised and the float model; without atol and rtol it is reported"
        " and not judged.",
        None,
        examples=[0.1],
        unit="the output's own",
        minimum=0,
    )
    rtol: float | None = setting(
        "The same, relative to the float model's value; a difference may reach atol + rtol * |value|.",
        None,
        examples=[0.05],
        unit="share of the value",
        minimum=0,
    )
    accuracy: float | None = setting(
        "Least share of vectors that must get their right label.",
        None,
        examples=[0.95],
        unit="share of the vectors",
        minimum=0,
        maximum=1,
    )
