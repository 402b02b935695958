"""A project with a program of two methods that share a layer, compiled for a target, with a firmware or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from project import Project, compile_steps

from etbuild.recipe.load import load_all
from etbuild.steps import golden, header, run

if TYPE_CHECKING:
    from pathlib import Path

    from etbuild.hardware.target import Target
    from etbuild.recipe.recipe import Recipe

# The Ethos-U55 cannot upsample by 3: decode has two delegates, encode one.
MODEL = """
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.own = SHARED, torch.nn.Linear(64, 3)

        def forward(self, x):
            return self.own(torch.relu(self.shared(x)).flatten(1))

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.own = SHARED, torch.nn.Conv2d(4, 2, 3)
            self.up = torch.nn.Upsample(scale_factor=3, mode="nearest")

        def forward(self, x, gain):
            return self.own(self.up(self.shared(x) * gain)), x + 1

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        SHARED = torch.nn.Conv2d(2, 4, 3, padding=1)
        ENCODER, DECODER = Encoder(), Decoder()
        IMAGE, GAIN = torch.randn(1, 2, 4, 4), torch.rand(1, 4, 4, 4)

    def make_encoder():
        return ENCODER, (IMAGE,)

    def make_decoder():
        return DECODER, (IMAGE, GAIN)
"""
RECIPE = """
    model: {source: model.py, methods: {encode: make_encoder, decode: make_decoder}}
    quantize: {calibration: {methods: {encode: {data: images.npy}}}}
    vectors: {methods: {decode: {samples: 3}}}
    golden: {lsb: 1}
    targets: [TARGET]
    run: {on: host}
"""
# With a firmware as well.
RUNTIME = """
    runtime: {board: qemu-mps3-an547}
"""


def project_of(
    folder: Path, target: str = "{npu: ethos-u55-128}", model: str = MODEL, more: str = ""
) -> tuple[Project, Recipe]:
    """more: keys of the recipe. Images of encode that reach from -9 to 9; decode is calibrated with its example."""
    made = Project(folder)
    made.write("recipes/model.py", model)
    made.write("recipes/r.yaml", RECIPE.replace("TARGET", target) + more)
    np.save(folder / "recipes/images.npy", np.linspace(-9, 9, 256, dtype=np.float32).reshape(8, 2, 4, 4))
    (one,) = load_all(folder)
    return made, one


def build(made: Project, one: Recipe) -> Target:
    """Up to the header and the run on the host, for its one target."""
    (target,) = one.targets
    host = run.step(one, target)
    assert host is not None
    made.run(*compile_steps(one, target), golden.step(one, target.profile), header.step(one, target), host)
    return target
