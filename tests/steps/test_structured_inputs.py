"""Models whose inputs are nested, numbers or keywords, from the export to the run on the host."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from project import CPU, U55, Project, compile_steps, inside, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Calibration, Quantize, Vectors
from etbuild.recipe.model_sections import DynamicDim, Export, InputSpec, Model
from etbuild.recipe.output_sections import Pte
from etbuild.steps import export, firmware, golden, header, lower, pte, quantize, run

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

pytestmark = pytest.mark.e2e

MIXED = """
    import torch

    class Mixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x, state, options, scale, on, count, *, mask, reduce="none", bias=None):
            h, (c,) = state
            y = self.layer(x) * scale + h * options["gain"]
            y = y + c * count if on else y
            y = y + mask if bias is None else y
            return y + 1.0 if reduce == "sum" else y, {"hidden": y * h}

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x, h, c, gain, mask = torch.randn(5, 1, 4)
        ModelUnderTest = Mixed()
        ModelInputs = (x[None][0], (h[None][0], [c[None][0]]), {"gain": gain[None][0]}, 0.5, True, 3)
        ModelKeywordInputs = {"reduce": "sum", "mask": mask[None][0], "bias": None}
"""
NAMES = ("0", "1.0", "1.1.0", "2.gain", "mask")

KEYWORDS = """
    import torch

    class Keywords(torch.nn.Module):
        def forward(self, *, x, pair):
            return x + pair["a"] * pair["b"]

    ModelUnderTest = Keywords()
    ModelInputs = {"x": torch.ones(2, 4), "pair": {"b": torch.full((2, 4), 3.0), "a": torch.full((2, 4), 2.0)}}
"""


def mixed(folder: Path, **parts: Any) -> Recipe:
    """The recipe of MIXED with calibration data and vectors of three samples each."""
    import numpy as np

    source = np.random.default_rng(0)
    for name in ("calibration", "vectors"):
        np.savez(folder / f"{name}.npz", **{f"input_{one}": source.normal(0, 1, (3, 1, 4)) for one in NAMES})
    given = Quantize(calibration=Calibration(Path("calibration.npz")))
    return replace(recipe(lsb=1), **{"quantize": given, "vectors": Vectors(Path("vectors.npz")), **parts})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """MIXED for the U55, with golden and the header."""
    project = Project(tmp_path_factory.mktemp("mixed"))
    project.write("model.py", MIXED)
    one = mixed(project.root)
    project.run(*compile_steps(one, U55), golden.step(one, "tosa-u55"), header.step(one, U55))
    return project


def test_the_program_takes_the_leaves_in_order(built: Project) -> None:
    """Tensors are quantised; the others are there with their values."""
    rows = built.json("build/r/ethos-u55-128/manifest.json")["inputs"]

    assert [(row["dtype"], row["shape"], row["quantized"]) for row in rows] == [
        *[("float32", [1, 4], "int8")] * 4,
        ("float 0.5", [], ""),
        ("bool True", [], ""),
        ("int 3", [], ""),
        ("none", [], ""),
        ("float32", [1, 4], "int8"),
        ("none", [], ""),
    ]


def test_golden_numbers_the_leaves_as_the_program_does(built: Project) -> None:
    """[vectors, ...] each; None and texts, which the program has itself, have no elements."""
    import numpy as np

    with np.load(built.root / "build/r/tosa-u55/golden.npz") as arrays, np.load(built.root / "vectors.npz") as given:
        found = [arrays[f"input_{number}"] for number in range(10)]
        np.testing.assert_array_equal(found[8], given["input_mask"].astype(np.float32))

    assert [(array.shape, str(array.dtype)) for array in found[4:8]] == [
        ((3,), "float64"),
        ((3,), "bool"),
        ((3,), "int64"),
        ((3, 0), "uint8"),
    ]


def test_the_host_runs_it_bit_for_bit(built: Project) -> None:
    """All vectors, with their numbers passed."""
    built.run(run.step(mixed(built.root), U55))

    assert built.json("build/r/ethos-u55-128/run.json")["bit_exact"] == 3


def test_the_header_says_which_inputs_are_no_tensors(built: Project) -> None:
    """And their values."""
    text = (built.root / "build/r/ethos-u55-128/model.h").read_text()

    assert "/* input_4 is no tensor: float 0.5. */\n/* input_5 is no tensor: bool True. */" in text


@pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-g++")),
    reason="no QEMU or no cross compiler on this machine",
)
def test_the_firmware_runs_it_bit_for_bit(built: Project) -> None:
    """In QEMU, with numbers among the test vectors."""
    folder, board = "build/r/ethos-u55-128", ("--board", "qemu-mps3-an547", "--driver", "emulator")
    files = ("--pte", f"{folder}/model.pte", "--npu", "ethos-u55-128")
    vectors = "build/r/tosa-u55/golden.npz"
    with inside(built.root):
        firmware.main(
            [
                *(*board, *files, "--manifest", f"{folder}/manifest.json", "--vectors", vectors),
                *("--memory-mode", "Shared_Sram", "--stack", "16384", "--output", folder),
            ]
        )
        run.main(
            [
                *(*board, *files, "--golden", vectors, "--elf", f"{folder}/firmware.elf"),
                *("--timeout", "60", "--output", "in_qemu.json"),
            ]
        )

    report = built.json("in_qemu.json")
    assert (report["on"], report["vectors"], report["bit_exact"]) == ("qemu", 3, 3)


def test_the_quantised_program_has_the_structure_of_the_float_one(built: Project) -> None:
    """It is exported again, with the same arguments and keywords."""
    from etbuild.compile.exported_program import load_program

    with inside(built.root):
        names = ("export/exported", "tosa-u55/quantized")
        exported, quantized = (load_program(Path(f"build/r/{name}.pt2")) for name in names)

    assert exported.call_spec.in_spec == quantized.call_spec.in_spec


def test_inputs_and_outputs_may_be_integers_beside_numbers(built: Project) -> None:
    """quantize.io concerns tensors alone."""
    one = mixed(built.root)
    one = replace(one, quantize=replace(one.quantize, io="int8"))

    built.run(lower.step(one, "tosa-u55"))

    assert (built.root / "build/r/tosa-u55/lowered.bin").is_file()


def test_keyword_inputs_may_be_all_there_are(tmp_path: Path) -> None:
    """In the order of the dicts."""
    project = Project(tmp_path)
    project.write("model.py", KEYWORDS)
    one = replace(recipe(CPU), quantize=Quantize(scheme="none"), pte=Pte(bundled_io=True))

    *before, last = compile_steps(one, CPU)
    project.run(*before, golden.step(one, "cpu"), last, run.step(one, CPU))

    assert project.json("build/r/cpu/run.json")["bit_exact"] == 4


def test_numbers_are_bundled(tmp_path: Path) -> None:
    """In the .bpte they are numbers of their own types, as ExecuTorch's runners take them."""
    from executorch.devtools.bundled_program.serialize import deserialize_from_flatbuffer_to_bundled_program

    project = Project(tmp_path)
    project.write("model.py", KEYWORDS.replace("x, pair", "x, pair, n").replace('{"x"', '{"n": 3, "x"'))
    one = replace(recipe(CPU), quantize=Quantize(scheme="none"), pte=Pte(bundled_io=True))

    *before, last = compile_steps(one, CPU)
    project.run(*before, golden.step(one, "cpu"), last)

    bundle = deserialize_from_flatbuffer_to_bundled_program((tmp_path / "build/r/cpu/model.bpte").read_bytes())
    cases = bundle.method_test_suites[0].test_cases
    assert [type(value.val).__name__ for value in cases[0].inputs] == ["Int", "Tensor", "Tensor", "Tensor"]


def test_none_cannot_be_bundled(built: Project) -> None:
    """ExecuTorch's format has no value for it."""
    one = mixed(built.root, pte=Pte(bundled_io=True))

    with pytest.raises(StepError) as caught:
        built.run(pte.step(one, U55))

    assert str(caught.value) == (
        "build/r/ethos-u55-128/model.pte: got an input that is None or a text, which a bundled program cannot have\n"
        "    pte: {bundled_io: false}, or leave that input out of the model's example inputs"
    )


def test_a_number_may_be_an_output(tmp_path: Path) -> None:
    """One array of the vectors' numbers, compared like any other."""
    project = Project(tmp_path)
    project.write("model.py", KEYWORDS.replace('pair["b"]', 'pair["b"], x.shape[1]'))
    one = replace(recipe(CPU), quantize=Quantize(scheme="none"))

    project.run(*compile_steps(one, CPU), golden.step(one, "cpu"), run.step(one, CPU))

    assert project.json("build/r/cpu/golden.json")["outputs"][1]["dtype"] == "int64"
    assert project.json("build/r/cpu/run.json")["bit_exact"] == 4


def test_an_axis_of_a_nested_input_may_be_dynamic(tmp_path: Path) -> None:
    """Numbered as the program's inputs."""
    from etbuild.compile.exported_program import load_program

    project = Project(tmp_path)
    project.write("model.py", KEYWORDS)
    dims = tuple(DynamicDim(number, 0, "batch", (2, 8)) for number in range(3))

    project.run(export.step(replace(recipe(CPU), export=Export(dynamic_shapes=dims))))

    program = load_program(tmp_path / "build/r/export/exported.pt2")
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.op == "placeholder"]
    assert {str(shape) for shape in shapes} == {"torch.Size([s" + str(shapes[0][0])[1:] + ", 4])"}


@pytest.mark.slow
def test_the_builtin_lstm_is_exported_and_quantised(tmp_path: Path) -> None:
    """Its inputs are (x, (h, c))."""
    project = Project(tmp_path)
    one = replace(recipe(), model=Model(builtin="lstm"))

    project.run(export.step(one), quantize.step(one, "tosa-u55"))

    assert project.json("build/r/tosa-u55/quantization.json")["accepted"] != []


def test_a_program_with_keyword_inputs_is_a_model(tmp_path: Path, built: Project) -> None:
    """A .pt2 has its example inputs in their structure."""
    (tmp_path / "model.pt2").write_bytes((built.root / "build/r/export/exported.pt2").read_bytes())
    one = replace(recipe(), model=Model(program=Path("model.pt2")))

    Project(tmp_path).run(export.step(one))

    assert (tmp_path / "build/r/export/exported.pt2").is_file()


def test_the_recipes_inputs_take_the_place_of_the_tensors(tmp_path: Path) -> None:
    """The structure, the numbers and the keywords stay."""
    from etbuild.compile.exported_program import load_program

    project = Project(tmp_path)
    project.write("model.py", MIXED)
    specs = tuple(InputSpec((1, 4), range=(float(n), float(n))) for n in range(5))

    project.run(export.step(replace(recipe(), model=Model(source=Path("model.py"), inputs=specs))))

    arguments, keywords = load_program(tmp_path / "build/r/export/exported.pt2").example_inputs
    assert (arguments[1][1][0][0, 0], arguments[3:], list(keywords)) == (2, (0.5, True, 3), ["reduce", "mask", "bias"])
    assert keywords["mask"][0, 0] == 4


def test_a_pt_may_have_all_inputs_in_their_structure(tmp_path: Path) -> None:
    """As the file of --model_input of aot_arm_compiler."""
    import torch

    from etbuild.compile.exported_program import load_program

    project = Project(tmp_path)
    project.write(
        "model.py", KEYWORDS.replace("*, x, pair", "x, pair").replace('{"x": ', "(").replace('"pair": ', "")[:-2] + ")"
    )
    torch.save((torch.zeros(2, 4), {"b": torch.zeros(2, 4), "a": torch.ones(2, 4)}), tmp_path / "input.pt")
    model = Model(source=Path("model.py"), inputs=(InputSpec(file=Path("input.pt")),))

    project.run(export.step(replace(recipe(), model=model)))

    (x, pair), _ = load_program(tmp_path / "build/r/export/exported.pt2").example_inputs
    assert (float(x.sum()), list(pair), float(pair["a"].sum())) == (0.0, ["b", "a"], 8.0)


def failure(project: Project, one: Recipe) -> str:
    with pytest.raises(StepError) as caught:
        project.run(export.step(one))
    return str(caught.value)


def test_an_input_that_is_neither_tensor_nor_number_is_an_error(tmp_path: Path) -> None:
    """With its place in ModelInputs."""
    project = Project(tmp_path)
    project.write("model.py", MIXED.replace('{"gain": gain[None][0]}', '{"gain": gain.numpy()}'))

    assert failure(project, recipe()) == (
        "model.py: its inputs: 2.gain: got a ndarray, wanted a tensor or a number\n"
        "    nest tensors, numbers, texts and None in plain tuples, lists and dicts"
    )


def test_another_number_of_recipe_inputs_than_tensors_is_an_error(tmp_path: Path) -> None:
    """The message names them."""
    project = Project(tmp_path)
    project.write("model.py", MIXED)
    model = Model(source=Path("model.py"), inputs=(InputSpec((1, 4)),) * 2)

    assert failure(project, replace(recipe(), model=model)) == (
        "model.inputs: got 2, wanted 5, one for each tensor of the model's inputs: 0, 1.0, 1.1.0, 2.gain, mask"
    )
