"""The recipes in recipes/ are complete and explicit, and their models are the networks of their names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from etbuild.compile.model import load_model
from etbuild.hardware import npus
from etbuild.recipe.load import load_all

if TYPE_CHECKING:
    from etbuild.recipe.recipe import Recipe

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "recipes"
FILES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = ["ad", "add_u55", "add_u65", "fallback_u55", "ic", "kws", "mnist", "mnist_u55", "mv2_u65", "vww"]


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in load_all(ROOT)}


def test_the_shipped_recipes_load(recipes: dict[str, Recipe]) -> None:
    """Each is valid, its files exist and its targets are legal."""
    assert sorted(recipes) == SHIPPED


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_recipe_begins_with_its_schema(file: Path) -> None:
    """In its first line, where editors look for it."""
    first = file.read_text().splitlines()[0]

    assert first == "# yaml-language-server: $schema=../schemas/recipe.schema.json"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_recipe_states_its_targets_in_full(file: Path) -> None:
    """Without defaults, which differ between tools."""
    targets = yaml.safe_load(file.read_text()).get("targets", [])

    assert [sorted(target) for target in targets] == [["memory_mode", "npu", "system_config"]] * len(targets)


def test_mnist_covers_every_npu(recipes: dict[str, Recipe]) -> None:
    assert [target.npu for target in recipes["mnist"].targets] == list(npus.catalog().npus)


def test_mnist_u55_and_mnist_differ_in_targets_only(recipes: dict[str, Recipe]) -> None:
    one, all_npus = recipes["mnist_u55"], recipes["mnist"]

    assert (all_npus.model, all_npus.quantize, all_npus.vectors) == (one.model, one.quantize, one.vectors)


def test_the_committed_weights_are_small() -> None:
    assert (ROOT / "recipes/models/mnist.safetensors").stat().st_size < 300_000


def test_no_digit_is_in_both_calibration_and_test() -> None:
    """Otherwise the quantised accuracy would be too high."""
    with (
        np.load(FOLDER / "data/digits_calibration.npz") as calibration,
        np.load(FOLDER / "data/digits_test.npz") as test,
    ):
        seen = {image.tobytes() for image in calibration["input_0"]}
        held_out = [image.tobytes() for image in test["input_0"]]

    assert (len(seen), len(held_out), seen.intersection(held_out)) == (64, 360, set())


@pytest.fixture
def load(recipes: dict[str, Recipe], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a recipe's model and inputs; sys.path is restored afterwards."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return lambda name: load_model(recipes[name].model)


def described(load: Any, name: str) -> tuple[int, list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Number of parameters, shapes of inputs, shapes of outputs."""
    import torch

    module, inputs = load(name)
    with torch.no_grad():
        output = inputs.call(module)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return parameters, [tuple(value.shape) for value in inputs.leaves], [tuple(output.shape)]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "parameters", "inputs", "output"),
    [
        ("add_u65", 0, [(1, 1, 1, 1), (1, 1, 1, 1)], (1, 1, 1, 1)),
        ("mnist_u55", 105_866, [(1, 1, 28, 28)], (1, 10)),
        ("mv2_u65", 3_504_872, [(1, 3, 224, 224)], (1, 1000)),
        ("kws", 23_756, [(1, 1, 49, 10)], (1, 12)),
        ("vww", 216_322, [(1, 3, 96, 96)], (1, 2)),
        ("ic", 78_186, [(1, 3, 32, 32)], (1, 10)),
        ("ad", 267_928, [(1, 640)], (1, 640)),
        ("fallback_u55", 1_460, [(1, 3, 16, 16)], (1, 4)),
    ],
)
def test_a_model_has_its_networks_size(
    load: Any, name: str, parameters: int, inputs: list[tuple[int, ...]], output: tuple[int, ...]
) -> None:
    """The MLPerf Tiny counts are those of the benchmark's trainable parameters, biases before BatchNorm included."""
    assert described(load, name) == (parameters, inputs, [output])


@pytest.mark.e2e
def test_mobilenetv2_accepts_torchvisions_weights(load: Any) -> None:
    """Its state_dict has the names and shapes of torchvision's mobilenet_v2: some of each kind, and the count."""
    module, _ = load("mv2_u65")

    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}

    expected = {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.1.running_var": (32,),
        "features.0.1.num_batches_tracked": (),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.bias": (16,),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.2.conv.1.0.weight": (96, 1, 3, 3),
        "features.2.conv.2.weight": (24, 96, 1, 1),
        "features.2.conv.3.running_mean": (24,),
        "features.17.conv.3.weight": (320,),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
        "classifier.1.bias": (1000,),
    }
    assert (len(shapes), {name: shapes.get(name) for name in expected}) == (314, expected)


@pytest.mark.e2e
def test_mnist_recognises_unseen_digits(load: Any) -> None:
    """The float model with the committed weights; the report has the quantised one."""
    import torch

    module, _ = load("mnist_u55")
    with np.load(FOLDER / "data/digits_test.npz") as test:
        images, labels = torch.from_numpy(test["input_0"]).float(), torch.from_numpy(test["labels"]).long()

    with torch.no_grad():
        right = int((module.eval()(images).argmax(1) == labels).sum())

    assert right >= 0.97 * len(labels)


@pytest.mark.e2e
def test_seeded_weights_are_the_same_every_time(load: Any) -> None:
    first, _ = load("kws")
    second, _ = load("kws")

    names = [name for name, value in first.state_dict().items() if not value.equal(second.state_dict()[name])]

    assert (first is second, names) == (False, [])


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """The committed script made the committed files, for these versions and this kind of CPU."""
    import shutil
    import subprocess

    shutil.copytree(FOLDER / "models", tmp_path / "models")
    (tmp_path / "data").mkdir()
    (tmp_path / "models/mnist.safetensors").unlink()

    subprocess.run([sys.executable, str(tmp_path / "models/train_mnist.py")], check=True, capture_output=True)
    subprocess.run([sys.executable, str(tmp_path / "models/make_mosaics.py")], check=True, capture_output=True)

    made = ["models/mnist.safetensors", *(f"data/{file.name}" for file in sorted((FOLDER / "data").iterdir()))]
    assert [name for name in made if (tmp_path / name).read_bytes() != (FOLDER / name).read_bytes()] == []
