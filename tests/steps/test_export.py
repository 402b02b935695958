"""Step export: what it captures, which files it traces, and how it reports the user's mistakes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import CONV, Project, recipe

from etbuild.errors import MissingTool, StepError
from etbuild.recipe.model_sections import DynamicDim, Export, InputSpec, Model
from etbuild.recipe.schema import recipe_schema
from etbuild.steps import export

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

MODULE = """
    import torch

    class M(torch.nn.Module):
        def forward(self, x):
            {body}

    ModelUnderTest = M()
    ModelInputs = (torch.ones(1, 4),)
"""


def with_model(**fields: object) -> Recipe:
    return recipe(model=Model(**fields))  # type: ignore[arg-type]


def failure(project: Project, one: Recipe) -> str:
    with pytest.raises(StepError) as caught:
        project.run(export.step(one))
    return str(caught.value)


def test_a_step_names_what_it_reads_and_writes() -> None:
    """Paths are relative to the project; the depfile is an output."""
    one = with_model(source=Path("models/m.py"), weights=Path("models/m.pt"), inputs=(InputSpec((1, 4), seed=3),))

    step = export.step(one)

    assert step.argv == (
        *("--source", "models/m.py", "--weights", "models/m.pt"),
        *("--input", "shape=1x4,dtype=float32,low=-1.0,high=1.0,seed=3"),
        *("--output", "build/r/export/exported.pt2", "--depfile", "build/r/export/deps.json"),
    )
    assert step.inputs == ("models/m.py", "models/m.pt")
    assert step.depfile in step.outputs


# One module called twice: torch.export distinguishes its calls by the module's address.
TWICE = """
    import torch

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = torch.nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x) - 1)

    ModelUnderTest = Twice()
    ModelInputs = (torch.ones(1, 4),)
"""


@pytest.mark.e2e
@pytest.mark.parametrize("model", [CONV, TWICE])
def test_equal_models_in_two_folders_give_equal_bytes(tmp_path: Path, model: str) -> None:
    """The exported program contains no path and no address."""
    programs = []
    for name in ("here", "there/and/further"):
        project = Project(tmp_path / name)
        project.write("model.py", model)
        project.run(export.step(recipe()))
        programs.append((project.root / "build/r/export/exported.pt2").read_bytes())

    assert programs[0] == programs[1]


@pytest.mark.e2e
def test_a_project_seen_through_links_gives_equal_bytes(tmp_path: Path) -> None:
    """A sandbox contains the project as symbolic links."""
    real = Project(tmp_path / "real")
    real.write("models/model.py", CONV)
    sandbox = Project(tmp_path / "sandbox")
    sandbox.root.mkdir()
    (sandbox.root / "models").symlink_to(real.root / "models")
    one = recipe(source="models/model.py")

    real.run(export.step(one))
    sandbox.run(export.step(one))

    outputs = [project.root / "build/r/export/exported.pt2" for project in (real, sandbox)]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


@pytest.mark.e2e
def test_what_the_model_reads_is_traced(project: Project) -> None:
    """Imports, opened files and safetensors of the project are found; declared inputs are not listed again."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    project.write("lib/blocks.py", "SCALE = 2.0\n")
    project.write(
        "models/m.py",
        """
        from pathlib import Path
        import numpy as np
        import torch
        from safetensors import safe_open
        from lib.blocks import SCALE

        HERE = Path(__file__).resolve().parent
        BIAS = torch.from_numpy(np.load(HERE / "bias.npy"))
        with safe_open(str(HERE / "w.safetensors"), framework="pt") as file:
            W = file.get_tensor("w")

        class M(torch.nn.Module):
            def forward(self, x):
                return x * SCALE + BIAS + W

        ModelUnderTest = M()
        ModelInputs = (torch.ones(1, 4),)
        """,
    )
    np.save(project.root / "models/bias.npy", np.ones(4, np.float32))
    save_file({"w": torch.ones(4)}, project.root / "models/w.safetensors")

    project.run(export.step(recipe(source="models/m.py")))

    deps = project.json("build/r/export/deps.json")
    assert deps["inputs"] == ["lib/blocks.py", "models/bias.npy", "models/w.safetensors"]
    assert sorted(deps["digests"]) == [*deps["inputs"][:1], "models/bias.npy", "models/m.py", "models/w.safetensors"]


@pytest.mark.e2e
def test_an_error_on_import_shows_the_users_line(project: Project) -> None:
    """The user's file and line, and no line of etbuild."""
    project.write("model.py", "import torch\n\nraise ValueError('no such dataset')\n")

    assert failure(project, recipe()) == (
        "model.py: import: got ValueError: no such dataset\n"
        "    model.py:3 in <module>: raise ValueError('no such dataset')"
    )


@pytest.mark.e2e
def test_a_syntax_error_shows_its_line(project: Project) -> None:
    """Nothing was run, so the location comes from the parser."""
    project.write("model.py", "def f(:\n")

    assert failure(project, recipe()) == (
        "model.py: import: got SyntaxError: invalid syntax (model.py, line 1)\n    model.py:1 in <module>: def f(:"
    )


@pytest.mark.e2e
def test_an_error_in_forward_shows_the_users_line(project: Project) -> None:
    """The model is called once before it is exported."""
    project.write("model.py", MODULE.format(body="return x @ torch.ones(3, 3)"))

    assert failure(project, recipe()) == (
        "model.py: forward, called with its example inputs: got RuntimeError: "
        "mat1 and mat2 shapes cannot be multiplied (1x4 and 3x3)\n"
        "    model.py:5 in forward: return x @ torch.ones(3, 3)"
    )


@pytest.mark.e2e
def test_what_cannot_be_exported_shows_the_users_line(project: Project) -> None:
    """A branch on a tensor's value: the line and torch.export's own advice."""
    project.write("model.py", MODULE.format(body="return x if x.sum() > 0 else -x"))

    message = failure(project, recipe())

    assert message.startswith("model.py: torch.export: got Unsupported: Data-dependent branching\n    model.py:5 in ")
    assert "    Explanation: Detected data-dependent branching" in message


@pytest.mark.e2e
def test_a_class_in_place_of_a_module_is_recognised(project: Project) -> None:
    """The most frequent mistake: the class itself, not an instance."""
    project.write("model.py", "import torch\nModelUnderTest = torch.nn.ReLU\nModelInputs = (torch.ones(1),)\n")

    assert failure(project, recipe()) == (
        "model.py: the model: got the class ReLU, wanted a torch.nn.Module\n    call it: ModelUnderTest = MyModel()"
    )


@pytest.mark.e2e
def test_a_source_without_the_two_names_is_an_error(project: Project) -> None:
    """ModelUnderTest is defined, ModelInputs is not."""
    project.write("model.py", "import torch\nModelUnderTest = torch.nn.ReLU()\n")

    assert failure(project, recipe()) == (
        "model.py: got no ModelInputs, wanted ModelUnderTest (a torch.nn.Module) and ModelInputs (a tuple of tensors)\n"
        "    define them, or name a factory in model.entry"
    )


@pytest.mark.e2e
def test_a_factory_makes_the_model(project: Project) -> None:
    """entry: module:function, importable from the project's root."""
    project.write(
        "nets/factory.py",
        "import torch\n\ndef make():\n    return torch.nn.Linear(4, 2), (torch.ones(1, 4),)\n",
    )
    project.write("nets/__init__.py", "")

    project.run(export.step(with_model(entry="nets.factory:make")))

    assert "nets/factory.py" in project.json("build/r/export/deps.json")["inputs"]


@pytest.mark.e2e
def test_weights_of_another_model_are_rejected_by_name(project: Project) -> None:
    """Missing and unexpected tensors and wrong shapes, all at once."""
    import torch

    project.write(
        "model.py", "import torch\nModelUnderTest = torch.nn.Linear(4, 2)\nModelInputs = (torch.ones(1, 4),)\n"
    )
    torch.save({"weight": torch.ones(2, 5), "gain": torch.ones(2)}, project.root / "w.pt")

    assert failure(project, with_model(source=Path("model.py"), weights=Path("w.pt"))) == (
        "w.pt: got weights of another model, wanted the tensors of this one\n"
        "    missing: bias [2]\n"
        "    unexpected: gain [2]\n"
        "    shape of weight: got [2, 5], wanted [2, 4]"
    )


@pytest.mark.e2e
def test_weights_that_would_run_code_are_rejected(project: Project) -> None:
    """A .pt is loaded with weights_only."""
    import torch

    project.write(
        "model.py", "import torch\nModelUnderTest = torch.nn.Linear(4, 2)\nModelInputs = (torch.ones(1, 4),)\n"
    )
    torch.save(torch.nn.Linear(4, 2), project.root / "w.pt")

    assert failure(project, with_model(source=Path("model.py"), weights=Path("w.pt"))).startswith(
        "w.pt: got UnpicklingError: "
    )


@pytest.mark.e2e
def test_a_builtin_that_needs_a_missing_package_names_it(project: Project) -> None:
    """mv2 is made from torchvision; pip is asked for one that goes with this PyTorch, which it then keeps."""
    torch = pytest.importorskip("torch")
    if "torchvision" in sys.modules:
        pytest.skip("torchvision is installed")

    with pytest.raises(MissingTool) as caught:
        project.run(export.step(with_model(builtin="mv2_untrained")))

    assert str(caught.value) == (
        "model.builtin mv2_untrained: got no Python package torchvision, wanted it to create the model\n"
        f"    pip install torch=={torch.__version__.partition('+')[0]} torchvision"
    )


@pytest.mark.e2e
@pytest.mark.parametrize("name", recipe_schema()["$defs"]["model"]["properties"]["builtin"]["examples"])
def test_a_builtin_that_the_schema_gives_as_an_example_is_exported(project: Project, name: str) -> None:
    """It needs no package that etbuild does not require."""
    project.run(export.step(with_model(builtin=name)))


@pytest.mark.e2e
def test_a_saved_program_and_new_inputs_are_exported_again(project: Project) -> None:
    """program: a .pt2; the recipe's inputs replace its own."""
    import torch

    from etbuild.compile.exported_program import load_program

    saved = torch.export.export(torch.nn.Linear(4, 2), (torch.ones(1, 4),))
    torch.export.save(saved, project.root / "m.pt2")
    one = with_model(program=Path("m.pt2"), inputs=(InputSpec((1, 4), range=(2.0, 3.0), seed=1),))

    project.run(export.step(one))

    (value,) = load_program(project.root / "build/r/export/exported.pt2").example_inputs[0]
    assert value.shape == (1, 4)
    assert 2.0 <= float(value.min()) <= float(value.max()) <= 3.0


@pytest.mark.e2e
def test_a_dynamic_axis_stays_dynamic(project: Project) -> None:
    """dynamic_shapes reach torch.export."""
    from etbuild.compile.exported_program import load_program

    project.write("model.py", MODULE.replace("ones(1, 4)", "ones(2, 4)").format(body="return x * 2"))

    project.run(export.step(replace(recipe(), export=Export(dynamic_shapes=(DynamicDim(0, 0, "batch", (1, 8)),)))))

    program = load_program(project.root / "build/r/export/exported.pt2")
    assert len(program.range_constraints) == 1


@pytest.mark.e2e
def test_a_dynamic_axis_that_the_model_fixes_is_an_error(project: Project) -> None:
    """With an example of size 1 torch.export specialises the axis; its message is passed on."""
    project.write("model.py", MODULE.format(body="return x * 2"))
    one = replace(recipe(), export=Export(dynamic_shapes=(DynamicDim(0, 0, "batch", (1, 8)),)))

    assert "    - You marked batch as dynamic but your code specialized it to be a constant (1)." in failure(
        project, one
    )


@pytest.mark.e2e
def test_a_dynamic_axis_with_an_example_of_size_one_says_which_example_to_give(project: Project) -> None:
    """The recipe of that remedy exports."""
    project.write("model.py", MODULE.format(body="return x * 2"))
    one = replace(recipe(), export=Export(dynamic_shapes=(DynamicDim(0, 0, "batch", (1, 8)),)))

    assert failure(project, one).endswith(
        "\n    batch: the example input has size 1 there, which torch.export takes as fixed"
        "\n    give input 0 another size in model.inputs, e.g. shape: [2, 4]"
    )
    project.run(export.step(replace(one, model=replace(one.model, inputs=(InputSpec((2, 4)),)))))


@pytest.mark.e2e
def test_a_dynamic_axis_outside_the_inputs_is_an_error(project: Project) -> None:
    """The message lists the inputs."""
    project.write("model.py", MODULE.format(body="return x * 2"))
    one = replace(recipe(), export=Export(dynamic_shapes=(DynamicDim(0, 2, "width", (1, 8)),)))

    assert failure(project, one) == (
        "export.dynamic_shapes: got axis 2 of input 0, wanted one of the model's: input 0 [1, 4]"
    )
