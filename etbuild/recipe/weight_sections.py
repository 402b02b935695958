"""The section of a recipe about changes of the float weights before they are quantised: quantize.weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etbuild.config.setting import TEXT, section, setting

METHODS = ("equalise", "cluster", "prune", "correct_bias", "adaround")
# The key that each method needs; no other method may have it.
KEY_OF_METHOD = {"cluster": "values", "prune": "share"}


@section(
    "weight_change",
    "One change of the float weights before they are quantised.",
    examples=[{"method": "equalise"}, {"method": "cluster", "values": 32, "module_name": "fc1"}],
)
@dataclass(frozen=True)
class WeightChange:
    """A change of weights. module_name: None for all layers."""

    method: str = setting(
        "equalise: channels of one layer get ranges alike, and the layer behind takes it back; cluster: as few"
        " different weights as `values` says; prune: the smallest weights become zero; correct_bias: biases take back"
        " the mean error of the rounded weights; adaround: each weight is rounded up or down, whichever changes the"
        " layer's outputs less.",
        examples=["equalise"],
        enum=list(METHODS),
    )
    values: int | None = setting(
        "With cluster: how many different weights each layer has.", None, examples=[32], minimum=2, maximum=256
    )
    share: float | None = setting(
        "With prune: the share of each layer's weights that become zero.",
        None,
        examples=[0.5],
        exclusiveMinimum=0,
        exclusiveMaximum=1,
    )
    module_name: str | None = setting(
        "The layers of the module with this dotted name, and of all modules below it; all layers by default.",
        None,
        examples=["features.0"],
        wanted="the dotted name of a module",
        pattern=TEXT,
    )

    def to_argument(self) -> str:
        """The change as one command-line argument of a step; `parse` reads it back."""
        number = self.values if self.method == "cluster" else self.share
        amount = "" if number is None else f":{number}"
        return f"{self.method}{amount}{f'@{self.module_name}' if self.module_name else ''}"

    @classmethod
    def parse(cls, text: str) -> WeightChange:
        """raises: ValueError."""
        how, _, module = text.partition("@")
        method, _, amount = how.partition(":")
        if method not in METHODS:
            raise ValueError(f"{method} is no change of weights")
        given: dict[str, Any] = {}
        if amount:
            given = {"values": int(amount)} if method == "cluster" else {"share": float(amount)}
        return cls(method, **given, module_name=module or None)
