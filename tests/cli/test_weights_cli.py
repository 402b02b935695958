"""`etbuild weights`: a .tflite's weights in a recipe's model, matched by shape and by what each layer reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tflite_writer import Op, tflite
from torch import nn

from etbuild.cli.main import main
from etbuild.compile.model import load_model
from etbuild.recipe.load import load

MODEL = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.stem_norm = nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4)
            self.deep, self.deep_norm = nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4, eps=1e-3)
            self.wide = nn.Conv2d(4, 6, 3, padding=1)
            self.shortcut = nn.Conv2d(4, 6, 1)
            self.fc = nn.Linear(54, 5)

        def forward(self, x):
            x = torch.relu(self.stem_norm(self.stem(x)))
            x = torch.relu(self.deep_norm(self.deep(x)))
            return self.fc((self.wide(x) + self.shortcut(x)).flatten(1))

    ModelUnderTest = Net().eval()
    ModelInputs = (torch.ones(1, 3, 7, 7),)
"""
RECIPE = "model: {source: net.py}\ntargets: [{npu: ethos-u55-128}]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/net.yaml").write_text(RECIPE)
    (tmp_path / "recipes/net.py").write_text(dedent(MODEL))
    return tmp_path


def network(project: Path) -> Any:
    """The recipe's model, as the user's file makes it."""
    return load_model(load(project / "recipes/net.yaml", project, {}).model)[0].eval()


def trained(project: Path) -> Any:
    """The network with other weights and statistics."""
    net = network(project)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if name.endswith("running_var") else torch.randn_like(value))
    return net


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Any, Any]:
    """Weights and bias with the normalisation in them."""
    weight = conv.weight.detach()
    bias = torch.zeros(len(weight)) if conv.bias is None else conv.bias.detach()
    if norm is None:
        return weight, bias
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return weight * scale.reshape(-1, 1, 1, 1), (bias - norm.running_mean) * scale + norm.bias.detach()


def ops(net: Any) -> list[Op]:
    """The network as TensorFlow Lite has it: channels last, normalisations folded, the shortcut first."""
    stem, deep = folded(net.stem, net.stem_norm), folded(net.deep, net.deep_norm)
    wide, shortcut = folded(net.wide, None), folded(net.shortcut, None)
    flat = net.fc.weight.detach().reshape(5, 6, 3, 3).permute(0, 2, 3, 1).reshape(5, 54)

    def last(pair: tuple[Any, Any]) -> tuple[Any, Any]:
        return pair[0].permute(0, 2, 3, 1).numpy(), pair[1].numpy()

    depthwise = deep[0].permute(1, 2, 3, 0).numpy(), deep[1].numpy()
    return [
        Op("CONV_2D", ("x",), ("stem", (1, 3, 3, 4)), last(stem), 2),
        Op("DEPTHWISE_CONV_2D", ("stem",), ("deep", (1, 3, 3, 4)), depthwise),
        Op("CONV_2D", ("deep",), ("shortcut", (1, 3, 3, 6)), last(shortcut)),
        Op("CONV_2D", ("deep",), ("wide", (1, 3, 3, 6)), last(wide)),
        Op("ADD", ("wide", "shortcut"), ("sum", (1, 3, 3, 6))),
        Op("RESHAPE", ("sum",), ("flat", (1, 54))),
        Op("FULLY_CONNECTED", ("flat",), ("fc", (1, 5)), (flat.numpy(), net.fc.bias.detach().numpy())),
    ]


def written(project: Path, made: list[Op], quantized: bool = False) -> Path:
    path = project / "net.tflite"
    path.write_bytes(tflite(made, ("x", (1, 7, 7, 3)), quantized))
    return path


@pytest.mark.parametrize(("quantized", "most"), [(False, 1e-6), (True, 0.05)])
def test_the_network_computes_what_the_files_network_does(project: Path, quantized: bool, most: float) -> None:
    """Also with other orders of operations, a flatten of several positions, and batch normalisations: these become the
    identity. Weights of 8 bits stay as coarse as they are."""
    net = trained(project)
    inputs = torch.randn(16, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    written(project, ops(net), quantized)

    assert main(["weights", "net.tflite", "--recipe", "net"]) == 0
    (project / "recipes/net.yaml").write_text(RECIPE.replace("net.py", "net.py, weights: net.safetensors"))
    with torch.no_grad():
        wanted, got = net(inputs), network(project)(inputs)
    assert float((got - wanted).abs().max()) < most * float(wanted.abs().max())
    state = load_file(project / "recipes/net.safetensors")
    assert state["deep_norm.running_var"] + 1e-3 == pytest.approx(torch.ones(4))


def test_the_user_is_told_where_the_weights_are_and_what_they_were(project: Path, capsys: Any) -> None:
    """The line for the recipe is printed; weights that were integers are said to be no finer than those."""
    written(project, ops(trained(project)), quantized=True)
    main(["weights", "net.tflite", "--recipe", "net"])

    assert capsys.readouterr().out == (
        "recipes/net.safetensors: 5 layers of net.tflite; 5 were integers and are dequantised, so they are no finer "
        "than those; 2 batch normalisations are the identity now\n"
        "    name it in recipes/net.yaml: model: {weights: net.safetensors}\n"
    )


NAN = "layer wide: got NaN or infinity among the weights, wanted finite values"
STEM = "convolution of [4, 3, 3, 3], stride"


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("stem", {"stride": 1}, f"layer stem: got a {STEM} 1, wanted a {STEM} 2, as stem of recipes/net.py"),
        (
            "fc",
            None,
            "got 4 layers with weights, wanted 5: no layer is fc, a linear layer of [5, 54], of recipes/net.py",
        ),
        (
            "wide",
            {"reads": ("shortcut",)},
            "layer wide: got one that reads shortcut, wanted deep, as wide of recipes/net.py",
        ),
        ("wide", {"constants": (np.full((6, 3, 3, 4), np.nan), np.zeros(6))}, NAN),
        ("wide", {"constants": (np.zeros((6, 3, 3, 4)), np.zeros(5))}, "layer wide: got 5 biases, wanted 6"),
    ],
)
def test_what_is_no_such_network_is_named(
    project: Path, capsys: Any, name: str, keys: dict[str, Any] | None, message: str
) -> None:
    """The first layer that differs, with both shapes; a missing layer; values that are none."""
    made = ops(trained(project))
    if keys is None:
        made = [op for op in made if op.writes[0] != name]
    written(project, [replace(op, **keys or {}) if op.writes[0] == name else op for op in made])

    assert main(["weights", "net.tflite", "--recipe", "net"]) == 2
    assert capsys.readouterr().err == f"net.tflite: {message}\n"


def test_layers_that_nothing_tells_apart_are_refused(project: Path, capsys: Any) -> None:
    """Two layers of one shape that read the same: the file does not say which is which."""
    text = MODEL.replace("nn.Conv2d(4, 6, 1)", "nn.Conv2d(4, 6, 3, padding=1)")
    (project / "recipes/net.py").write_text(dedent(text))
    made = ops(trained(project))
    written(project, made)

    assert main(["weights", "net.tflite", "--recipe", "net"]) == 2
    assert capsys.readouterr().err == (
        "net.tflite: got two layers that fit wide of recipes/net.py, shortcut and wide, wanted one\n"
        "    neither shapes nor what the layers read tells them apart\n"
    )


def test_a_file_that_cannot_be_read_is_one_message(project: Path, capsys: Any) -> None:
    """Another file, no file, and a file cut anywhere end with exit code 2, one message and no traceback."""
    whole = written(project, ops(trained(project))).read_bytes()
    (project / "other.tflite").write_bytes(b"PK\x03\x04 a zip")
    assert main(["weights", "other.tflite", "--recipe", "net"]) == 2
    assert main(["weights", "none.tflite", "--recipe", "net"]) == 2
    assert capsys.readouterr().err == (
        "other.tflite: got another file, wanted one of TensorFlow Lite: TFL3 at its fifth byte\n"
        "none.tflite: got No such file or directory, wanted a .tflite file\n"
    )
    from etbuild.compile.tflite_file import read_tflite
    from etbuild.errors import UsageError

    for size in range(8, len(whole), 97):
        (project / "cut.tflite").write_bytes(whole[:size])
        with pytest.raises(UsageError, match=r"^cut.tflite: "):
            read_tflite(Path("cut.tflite"))


def test_a_file_is_not_replaced_unasked(project: Path, capsys: Any) -> None:
    """Weights that somebody trained stay; an unknown recipe is answered with those that there are."""
    written(project, ops(trained(project)))
    (project / "recipes/net.safetensors").write_bytes(b"mine")
    assert main(["weights", "net.tflite", "--recipe", "net"]) == 2
    assert main(["weights", "net.tflite", "--recipe", "nett"]) == 2
    assert main(["weights", "net.tflite", "--recipe", "net", "--output", "w.pt"]) == 2

    assert (project / "recipes/net.safetensors").read_bytes() == b"mine"
    assert capsys.readouterr().err == (
        "recipes/net.safetensors: got an existing file, wanted none\n    --force replaces it; --output names another\n"
        "--recipe: got nett, wanted one of net\n"
        "--output: got w.pt, wanted a file that ends in .safetensors\n"
    )
