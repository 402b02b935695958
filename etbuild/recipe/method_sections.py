"""The settings of a recipe about programs with several methods: model.methods, and samples of one method.

Each key is one field: see model_sections.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from etbuild.config.setting import section, setting
from etbuild.recipe.sample_settings import DATA, DATA_LIMITS


class Method(NamedTuple):
    """A method of the program, and the factory of model.source that returns its module and inputs."""

    name: str
    factory: str

    def to_argument(self) -> str:
        """The method as one command-line argument of a step; `parse` reads it back."""
        return f"{self.name}={self.factory}"

    @classmethod
    def parse(cls, text: str) -> Method:
        """raises: ValueError."""
        name, factory = text.split("=")
        return cls(name, factory)


@section("method_samples", "Samples for one method.", examples=[{"data": "data/frames.npz", "samples": 16}])
@dataclass(frozen=True)
class MethodSamples:
    """Samples for one method, in place of random ones. name: of the method. As `data_sections.Data`."""

    name: str = ""
    data: Path | None = setting(f"{DATA}.", None, examples=["data/frames.npz"], **DATA_LIMITS)
    samples: int | None = setting(
        "How many samples to take, from the start; all of them by default.",
        None,
        examples=[16],
        unit="samples",
        minimum=1,
        maximum=1000000,
    )
    seed: int | None = setting(
        "Take a random choice of `samples` samples; without `data`, the seed of the random ones.",
        None,
        examples=[0],
        minimum=0,
        maximum=2**32 - 1,
    )

    def to_argument(self) -> str:
        """The samples as one command-line argument of a step; `parse` reads it back."""
        numbers = ("" if number is None else number for number in (self.samples, self.seed))
        return ":".join(map(str, (self.name, *numbers, self.data or "")))

    @classmethod
    def parse(cls, text: str) -> MethodSamples:
        """raises: ValueError."""
        name, samples, seed, data = text.split(":", 3)
        numbers = (int(number) if number else None for number in (samples, seed))
        return cls(name, Path(data) if data else None, *numbers)
