"""model.module: a torch.nn.Module saved whole by torch.save, as ExecuTorch's script takes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project, recipe

from etbuild.errors import StepError
from etbuild.recipe.model_sections import InputSpec, Model
from etbuild.steps import export

CLASS = """
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.full((4,), 3.0))

        def forward(self, x):
            return x * self.scale
"""
RECIPE = recipe(model=Model(module=Path("models/net.pt"), inputs=(InputSpec((1, 4)),)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("models/net.py", CLASS)
    return made


def save(project: Project, code: str) -> None:
    """In a process of its own, in the model's folder."""
    folder = project.root / "models"
    subprocess.run([sys.executable, "-c", f"import torch; {code}"], cwd=folder, check=True)


def failure(project: Project) -> str:
    with pytest.raises(StepError) as caught:
        project.run(export.step(RECIPE))
    return str(caught.value)


def test_a_saved_module_is_exported(project: Project) -> None:
    """Its class is imported from the file's folder, and a change of that source is a reason to export again."""
    save(project, "from net import Scaled; torch.save(Scaled(), 'net.pt')")

    project.run(export.step(RECIPE))

    assert "models/net.pt" in export.step(RECIPE).inputs
    deps = project.json("build/r/export/deps.json")
    assert deps["inputs"] == ["models/net.py"], json.dumps(deps)


def test_a_class_of_the_saving_program_is_explained(project: Project) -> None:
    """pickle finds classes by the name of their module; __main__ is another one now."""
    save(project, "exec('class Own(torch.nn.Linear): pass'); torch.save(Own(4, 2), 'net.pt')")

    message = failure(project)

    assert message.startswith("models/net.pt: got ")
    assert "wanted classes that can be imported\n    define the model's class in a module of the project" in message


def test_weights_in_place_of_a_module_are_explained(project: Project) -> None:
    """The file that most people have."""
    save(project, "from net import Scaled; torch.save(Scaled().state_dict(), 'net.pt')")

    assert failure(project) == (
        "models/net.pt: got a state_dict, wanted a torch.nn.Module\n"
        "    name the module in model.source and this file in model.weights"
    )


def test_a_damaged_file_gives_one_message(project: Project) -> None:
    """No traceback of etbuild's."""
    (project.root / "models/net.pt").write_bytes(b"nothing")

    assert failure(project).startswith("models/net.pt: torch.load: got ")
