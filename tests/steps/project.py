"""A project in a temporary folder whose steps run in this process, with the real compilers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from etbuild.hardware.target import Target
from etbuild.recipe.data_sections import Golden, Quantize
from etbuild.recipe.model_sections import Model
from etbuild.recipe.output_sections import Pte
from etbuild.recipe.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etbuild.build_engine.step import Step

U55 = Target("ethos-u55-128", "ethos-u55-128", "tosa-u55", "Ethos_U55_High_End_Embedded", "Shared_Sram")
U65 = Target("ethos-u65-256", "ethos-u65-256", "tosa-u55", "Ethos_U65_High_End", "Dedicated_Sram_384KB")
U85 = Target("ethos-u85-256", "ethos-u85-256", "tosa-u85", "Ethos_U85_SYS_DRAM_Mid", "Sram_Only")
CPU = Target("cpu", "none", "cpu")

CONV = """
    import torch

    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.fc = torch.nn.Linear(64, 3)

        def forward(self, x):
            return self.fc(torch.relu(self.conv(x)).flatten(1))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Small()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""

# The U55 cannot upsample by 3: the CPU does it, between two delegates.
TWO_DELEGATES = """
    import torch

    class Split(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(2, 4, 3, padding=1)
            self.up = torch.nn.Upsample(scale_factor=3, mode="nearest")
            self.second = torch.nn.Conv2d(4, 2, 3)

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = self.up(x)
            return self.second(x)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Split()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""

ADD = """
    import torch

    class Add(torch.nn.Module):
        def forward(self, x, y):
            return x + y

    ModelUnderTest = Add()
    ModelInputs = (torch.ones(1, 4, 4, 1), torch.full((1, 4, 4, 1), 2.0))
"""


@dataclass(frozen=True)
class Project:
    root: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project; its path relative to the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip())
        return Path(name)

    def run(self, *steps: Step) -> None:
        """Run steps with the project as current folder; each must write all its outputs."""
        for step in steps:
            with inside(self.root):
                importlib.import_module(f"etbuild.steps.{step.kind}").main(step.argv)
            missing = [path for path in step.outputs if not (self.root / path).exists()]
            assert not missing, f"{step.name} did not write {missing}"

    def json(self, path: str) -> Any:
        return json.loads((self.root / path).read_text())


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def recipe(*targets: Target, source: str = "model.py", lsb: int | None = 0, **parts: Any) -> Recipe:
    """A recipe named "r" of a source file; `parts` are fields of Recipe."""
    base = Recipe("r", (Path("recipes/r.yaml"),), Model(source=Path(source)), targets or (U55,), golden=Golden(lsb=lsb))
    return replace(base, **parts)


def compile_steps(one: Recipe, target: Target) -> list[Step]:
    """From the model to the .pte of one target, without golden."""
    from etbuild.steps import export, lower, pte, quantize, vela

    steps = [export.step(one), quantize.step(one, target.profile), lower.step(one, target.profile)]
    if target.npu != "none":
        steps.append(vela.step(one, target))
    return [*steps, pte.step(one, target)]


def output_of(code: str, folder: Path) -> str:
    """What a new Python process that runs this code prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


__all__ = [
    "ADD",
    "CONV",
    "CPU",
    "TWO_DELEGATES",
    "U55",
    "U65",
    "U85",
    "Project",
    "Pte",
    "Quantize",
    "inside",
    "output_of",
]
