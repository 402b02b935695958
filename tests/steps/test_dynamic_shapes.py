"""export.dynamic_shapes from the recipe to the host: one program runs inputs of every size in the range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from project import CPU, Project, compile_steps, recipe

from etbuild.errors import EtbuildError
from etbuild.host.program import HostProgram
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.model_sections import DynamicDim, Export
from etbuild.steps import golden, run

if TYPE_CHECKING:
    from pathlib import Path

MODEL = """
    import torch

    class Rows(torch.nn.Module):
        def forward(self, x):
            return torch.relu(x * 3.0), x.amax(0)

    ModelUnderTest = Rows()
    ModelInputs = (torch.linspace(-1, 1, 12).view(3, 4),)
"""


@pytest.mark.e2e
def test_one_program_runs_every_size_of_a_dynamic_axis(tmp_path: Path) -> None:
    """Exact for the example's size, and for the smallest and the largest; a size beyond the range is refused."""
    project = Project(tmp_path)
    project.write("model.py", MODEL)
    dims = (DynamicDim(0, 0, "rows", (2, 16)),)
    one = recipe(CPU, lsb=None, quantize=Quantize("none"), export=Export(dynamic_shapes=dims))
    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"), run.step(one, CPU))

    found = project.json("build/r/cpu/run.json")
    assert found["bit_exact"] == found["vectors"] == 4
    program = HostProgram(tmp_path / "build/r/cpu/model.pte")
    for size in (2, 16):
        rows = np.random.default_rng(size).normal(size=(size, 4)).astype(np.float32)
        scaled, largest = program.run(rows)
        np.testing.assert_array_equal(scaled, np.maximum(rows * np.float32(3), 0))
        np.testing.assert_array_equal(largest, rows.max(0))
    with pytest.raises(EtbuildError) as caught:
        program.run(np.zeros((17, 4), np.float32))
    assert str(caught.value) == (
        f"{tmp_path}/build/r/cpu/model.pte: input 0: got shape [17, 4], wanted at most [16, 4]"
    )
