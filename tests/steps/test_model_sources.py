"""What aot_arm_compiler takes as a model: a .py, a module saved whole and an exported program are one model."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from project import CONV, CPU, U55, Project, compile_steps, inside, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Calibration, Quantize
from etbuild.recipe.model_sections import Export, InputSpec, Model
from etbuild.steps import export, golden, run

pytestmark = pytest.mark.e2e
ONE = recipe(lsb=None, quantize=Quantize(calibration=Calibration(samples=1)))
SOURCES = {
    "net.pth": Model(module=Path("net.pth"), inputs=(InputSpec(file=Path("input.pt")),)),
    "net.pt2": Model(program=Path("net.pt2")),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Compiled from its .py; with the same model in the two other forms."""
    import torch

    made = Project(tmp_path_factory.mktemp("sources"))
    made.write("model.py", CONV)
    # Other tests have modules called model; a module that is saved whole is found by its module's name.
    made.write("saved_model.py", CONV)
    made.run(*compile_steps(ONE, U55))
    with inside(made.root), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made.root))
        model = importlib.import_module("saved_model")
        torch.save(model.ModelUnderTest, "net.pth")
        torch.save(model.ModelInputs[0], "input.pt")
        torch.export.save(torch.export.export(model.ModelUnderTest, model.ModelInputs), "net.pt2")
        sys.modules.pop("saved_model")
    return made


@pytest.mark.parametrize("name", SOURCES)
def test_every_form_of_a_model_gives_the_same_delegate_that_runs_exact(project: Project, name: str) -> None:
    """Weights, scales and operators: the TOSA graph is the same to the byte."""
    other = replace(ONE, name=name.replace(".", "_"), model=SOURCES[name])
    project.run(*compile_steps(other, U55), golden.step(other, "tosa-u55"), run.step(other, U55))

    graphs = [project.root / f"build/{one.name}/tosa-u55/delegates/0.tosa" for one in (ONE, other)]
    assert graphs[0].read_bytes() == graphs[1].read_bytes()
    verdict = project.json(f"build/{other.name}/ethos-u55-128/run.json")
    assert verdict["bit_exact"] == verdict["vectors"] > 0


OPAQUE = """
    import torch

    @torch._dynamo.disable
    def scaled(x):
        return x * 2.0

    class Opaque(torch.nn.Module):
        def forward(self, x):
            return torch.relu(scaled(x))

    ModelUnderTest = Opaque()
    ModelInputs = (torch.linspace(-1, 1, 8).view(1, 8),)
"""


def test_a_model_that_dynamo_does_not_understand_is_exported_without_it(tmp_path: Path) -> None:
    """With export: {strict: false} its Python code runs, and the program is exact."""
    made = Project(tmp_path)
    made.write("model.py", OPAQUE)
    one = replace(recipe(CPU, lsb=None, quantize=Quantize("none")), export=Export(strict=False))

    with pytest.raises(StepError):
        made.run(export.step(replace(one, export=Export(strict=True))))
    made.run(*compile_steps(one, CPU), golden.step(one, "cpu"), run.step(one, CPU))

    verdict = made.json("build/r/cpu/run.json")
    assert verdict["bit_exact"] == verdict["vectors"] == 4
