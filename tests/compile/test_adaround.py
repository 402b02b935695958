"""quantize.weights: adaround, on modules as they are exported and with ExecuTorch's own quantiser behind it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from etbuild.compile.compiler_imports import load_executorch
from etbuild.compile.quantizing import quantize
from etbuild.compile.weights.adaround import best_integers
from etbuild.compile.weights.layers import layers_of
from etbuild.compile.weights.rewriting import rewrite
from etbuild.recipe.data_sections import Quantize, Rule
from etbuild.recipe.model_sections import Export
from etbuild.recipe.weight_sections import WeightChange

ROUNDED = (WeightChange("adaround"),)


class Net(torch.nn.Module):
    """What it applies to: convolutions strided, dilated, padded, depthwise with normalisation, in one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(2, 8, 3, stride=2, padding=1)
        self.deep = torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
        self.norm = torch.nn.BatchNorm2d(8)
        self.point = torch.nn.Conv2d(8, 4, 1)
        self.row = torch.nn.Conv1d(4, 4, 3, padding=1, groups=2)
        self.fc = torch.nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.deep(torch.relu(self.first(x)))))
        x = torch.relu(self.point(x))
        return self.fc(torch.relu(self.row(x.flatten(2))).flatten(1))


@pytest.fixture(scope="module")
def made() -> tuple[Any, list[tuple[torch.Tensor]]]:
    """The exported program and samples of one sign each, so that the inputs of a layer have means."""
    generator = torch.Generator().manual_seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Net()
        with torch.no_grad():
            model.norm.running_var.uniform_(0.2, 3)  # type: ignore[union-attr]
            model.norm.weight.copy_(torch.tensor([1.5, -0.7, 0.3, 2, -1, 1, 0.5, 0.9]))
    samples = [(torch.rand(1, 2, 8, 8, generator=generator),) for _ in range(12)]
    load_executorch()
    return torch.export.export(model.eval(), samples[0]), samples


def error(program: Any, module: Any, samples: Any) -> float:
    """The squared error of a module's outputs to those of the program."""
    right = program.module(check_guards=False)
    with torch.no_grad():
        return float(sum((module(*one) - right(*one)).square().sum() for one in samples))


def rounded(module: Any, settings: Quantize) -> None:
    """Put what ExecuTorch's quantiser makes of the weights in their place."""
    for layer in layers_of(module):
        factor = layer.factor.reshape(-1, *[1] * (layer.weight.dim() - 1))
        folded = layer.weight * factor
        scale = folded.abs().flatten(1).amax(1).reshape(factor.shape) / (7 if settings.scheme == "a8w4" else 127)
        layer.set_weight((folded / scale).round() * scale / factor)


def test_each_of_two_integers_is_the_better_one_for_the_inputs() -> None:
    """Not the nearest ones: a sum of two equal inputs has less error with one rounded up and one down. In four of five
    cases it is the best of all 16 ways to round four weights, and never worse than the nearest integers."""
    two = best_integers(torch.tensor([[[0.4, 0.4]]]), torch.ones(1, 2, 2), 127)
    generator, best = torch.Generator().manual_seed(0), 0
    for _ in range(40):
        weights = torch.rand(1, 1, 4, generator=generator) * 20 - 10
        inputs = torch.randn(1, 4, 12, generator=generator) + torch.rand(1, 4, 1, generator=generator)
        squares = inputs @ inputs.transpose(1, 2)
        ways = [weights.floor() + torch.tensor(one) for one in itertools.product((0.0, 1.0), repeat=4)]

        def form(one: Any, weights: Any = weights, squares: Any = squares) -> float:
            return float((one - weights) @ squares @ (one - weights).transpose(1, 2))

        found = form(best_integers(weights, squares, 127))
        best += found <= min(map(form, ways)) * 1.001
        assert found <= form(weights.round()) * 1.05

    assert sorted(two.flatten().tolist()) == [0.0, 1.0]
    assert best >= 32


@pytest.mark.parametrize(("scheme", "better"), [("int8", 2), ("a8w4", 4)])
def test_outputs_of_rounded_weights_are_nearer_to_the_float_model(made: Any, scheme: str, better: float) -> None:
    """So many times less squared error than with the nearest integers; through a normalisation of either sign."""
    program, samples = made
    settings, errors = Quantize(scheme=scheme, weights=ROUNDED), []
    for changes in ((), ROUNDED):
        module = program.module(check_guards=False)
        report = rewrite(module, Quantize(scheme=scheme, weights=changes), samples)
        rounded(module, settings)
        errors.append(error(program, module, samples))

    assert report == [{"change": "adaround", "layers": ["first", "deep", "point", "row", "fc"]}]
    assert errors[1] * better < errors[0]


@pytest.mark.parametrize("per_channel", [True, False])
def test_executorchs_own_rounding_gives_these_integers(made: Any, per_channel: bool) -> None:
    """Each layer's weights are multiples of the scale that its quantiser finds, batch normalisation folded."""
    program, samples = made
    rules = (Rule(module_name="fc", scheme="int16x8", per_channel=not per_channel),)
    settings = Quantize(weights=ROUNDED, per_channel=per_channel, rules=rules)
    module = program.module(check_guards=False)
    rewrite(module, settings, samples)
    wanted = {}
    for layer in layers_of(module):
        wanted[layer.name] = layer.weight * layer.factor.reshape(-1, *[1] * (layer.weight.dim() - 1))

    _, report = quantize(torch.export.export(module, samples[0]), settings_without(settings), "tosa-u55", Export())

    found = [one for one in report["tensors"] if one["kind"] == "weight"]
    assert len(found) == len(wanted)
    for weight, one in zip(wanted.values(), found, strict=True):
        scale = torch.tensor(one["scale"]).reshape(-1, *[1] * (weight.dim() - 1))
        assert float((weight / scale - (weight / scale).round()).abs().max()) < 1e-3
        assert float((weight / scale).abs().max()) < 127.001


def settings_without(settings: Quantize) -> Quantize:
    """The same without changes of weights."""
    return Quantize(per_channel=settings.per_channel, rules=settings.rules)


def test_layers_that_stay_in_floating_point_keep_their_weights(made: Any) -> None:
    """As their rule says."""
    program, samples = made
    module = program.module(check_guards=False)
    before = layers_of(module)[4].weight.clone()

    report = rewrite(module, Quantize(weights=ROUNDED, rules=(Rule(module_name="fc", scheme="none"),)), samples)

    assert report[0]["layers"] == ["first", "deep", "point", "row"]
    assert torch.equal(layers_of(module)[4].weight, before)
