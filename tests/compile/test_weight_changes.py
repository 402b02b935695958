"""Changes of float weights before quantisation: each method on modules as they are exported."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import TYPE_CHECKING, Any

import pytest
import torch

from etbuild.compile.weights import cluster, equalise
from etbuild.compile.weights.cluster import clustered
from etbuild.compile.weights.layers import layers_of, tensor_of
from etbuild.compile.weights.rewriting import rewrite
from etbuild.errors import StepError
from etbuild.recipe.data_sections import Quantize
from etbuild.recipe.weight_sections import WeightChange

if TYPE_CHECKING:
    from collections.abc import Sequence


class Net(torch.nn.Module):
    """Convolutions with and without batch normalisation, depthwise, a pooling, a flatten and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(2, 6, 3, padding=1)
        self.deep = torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.norm = torch.nn.BatchNorm2d(6)
        self.point = torch.nn.Conv2d(6, 4, 1)
        self.fc1 = torch.nn.Linear(16, 8)
        self.fc2 = torch.nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.deep(torch.relu(self.first(x)))))
        x = torch.nn.functional.max_pool2d(torch.relu(self.point(x)), 2)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


class Residual(torch.nn.Module):
    """Two layers read the first one's output, and a ReLU6 does not commute with a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (torch.nn.Conv2d(2, 2, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.third(torch.nn.functional.relu6(self.second(x))) + x


def exported(model: torch.nn.Module, shape: Sequence[int] = (1, 2, 4, 4)) -> tuple[Any, list[tuple[torch.Tensor]]]:
    """The module of a seeded model, with other statistics than 0 and 1, and samples."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator).abs() + 0.1 if "norm" in name else value)
    samples = [(torch.randn(*shape, generator=generator),) for _ in range(4)]
    return torch.export.export(model.eval(), samples[0]).module(check_guards=False), samples


@pytest.fixture(scope="module")
def original() -> tuple[Any, list[tuple[torch.Tensor]]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Net()
        with torch.no_grad():
            model.first.weight[0] *= 300
            model.first.bias[0] *= 300  # type: ignore[index]
            model.deep.weight[0] /= 300
    return exported(model)


@pytest.fixture
def net(original: Any) -> tuple[Any, list[tuple[torch.Tensor]]]:
    return copy.deepcopy(original[0]), original[1]


def changed(net: Any, *changes: WeightChange, **settings: Any) -> list[dict[str, Any]]:
    module, samples = net
    return rewrite(module, Quantize(weights=changes, **settings), samples)


def test_equalised_layers_compute_the_same_to_the_last_bit(original: Any, net: Any) -> None:
    """Factors are powers of two; through batch normalisation, depthwise layer, pooling and flatten. It is no change of
    the model, only of what 8 bits have to hold."""
    report = changed(net, WeightChange("equalise"))

    assert report == [
        {
            "change": "equalise",
            "layers": ["first->deep", "deep->point", "point->fc1", "fc1->fc2"],
        }
    ]
    assert all(torch.equal(original[0](*sample), net[0](*sample)) for sample in net[1])
    weights = [layer.weight for layer in layers_of(net[0])]
    assert not torch.equal(weights[0], layers_of(original[0])[0].weight)


def test_equalised_channels_have_ranges_alike(original: Any, net: Any) -> None:
    """One had 300 times the range of the others; after it none has 8 times that of another."""

    def spread(module: Any) -> float:
        node = layers_of(module)[0].node
        values: list[Any] = []

        class Seen(torch.fx.Interpreter):
            def run_node(self, one: Any) -> Any:
                value = super().run_node(one)
                if one is node:
                    values.append(value)
                return value

        for sample in net[1]:
            Seen(module).run(*sample, enable_io_processing=False)
        ends = torch.stack(values).abs().amax((0, 1, 3, 4))
        return float(ends.max() / ends.min())

    changed(net, WeightChange("equalise"))

    assert (spread(original[0]) > 100, spread(net[0]) < 16) == (True, True)


def test_what_two_layers_read_is_not_equalised(net: Any) -> None:
    """Nor what passes a ReLU6: a factor would change the model. A search asks before."""
    assert (equalise.applies(net[0]), equalise.applies(exported(Residual())[0])) == (True, False)
    with pytest.raises(StepError) as raised:
        changed(exported(Residual()), WeightChange("equalise"))

    assert str(raised.value) == (
        "quantize.weights: equalise: got a model with no layer that it applies to, wanted none of it\n"
        "    delete it from quantize.weights; docs/tune.md says where each method applies"
    )


def test_clustered_layers_have_so_many_different_weights(net: Any) -> None:
    """Of the module that is named; others keep theirs. Each weight is nearer to its own value than to any other."""
    before = [layer.weight.clone() for layer in layers_of(net[0])]

    changed(net, WeightChange("cluster", values=5, module_name="fc1"))

    after = [layer.weight for layer in layers_of(net[0])]
    assert [torch.equal(one, other) for one, other in zip(before, after, strict=True)] == [
        True,
        True,
        True,
        False,
        True,
    ]
    centres = after[3].unique()
    nearest = (before[3][..., None] - centres).abs().argmin(-1)
    assert (centres.numel(), torch.equal(centres[nearest], after[3])) == (5, True)


def squared_error(weight: torch.Tensor, values: int) -> float:
    return float((clustered(weight, values) - weight).square().sum())


@pytest.mark.parametrize("values", [2, 3, 4, 8])
def test_no_other_choice_of_values_has_a_smaller_squared_error(values: int) -> None:
    """All ways to cut nine weights with an outlier into intervals, each with its mean."""
    weight = torch.tensor([-3.0, -0.4, -0.1, 0.0, 0.05, 0.1, 0.35, 0.5, 0.5], dtype=torch.float64)
    cuts = combinations(range(1, len(weight)), values - 1)
    best = min(sum(float((part - part.mean()).square().sum()) for part in weight.tensor_split(one)) for one in cuts)

    assert squared_error(weight[torch.randperm(9)].reshape(3, 3), values) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("values", [16, 128])
def test_many_weights_are_grouped_with_little_loss(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    """Some of them far from the others, as trained layers have them: few values at quantiles would miss those."""
    generator = torch.Generator().manual_seed(0)
    normal = torch.randn(2, 20000, dtype=torch.float64, generator=generator)
    weight = normal[0] / normal[1].abs().clamp_min(0.1)
    grouped = squared_error(weight, values)
    monkeypatch.setattr(cluster, "_GROUPS", 3000)

    assert grouped < 1.05 * squared_error(weight, values)


def test_fewer_different_weights_than_values_stay() -> None:
    """And a layer of one weight."""
    weight = torch.tensor([[0.5, -1.0], [0.5, 2.0]])

    assert torch.equal(clustered(weight, 4), weight)
    assert torch.equal(clustered(weight[:1, :1], 2), weight[:1, :1])


def test_pruned_layers_have_that_share_of_zeros(net: Any) -> None:
    """The smallest; all others stay what they were."""
    before = layers_of(net[0])[3].weight.clone()

    changed(net, WeightChange("prune", share=0.25))

    after = layers_of(net[0])[3].weight
    zeros = after == 0
    assert int(zeros.sum()) == after.numel() // 4
    assert torch.equal(after[~zeros], before[~zeros])
    assert before[zeros].abs().max() <= before[~zeros].abs().min()


@pytest.mark.parametrize("per_channel", [True, False])
def test_corrected_biases_take_the_mean_error_of_rounded_weights_back(net: Any, per_channel: bool) -> None:
    """Of a layer with a bias, and of one with a batch normalisation; measured with 4-bit weights on the samples."""
    from etbuild.compile.weights.correct_bias import rounded

    module, samples = net
    first = layers_of(module)[3]
    corrected = copy.deepcopy(module)
    report = rewrite(
        corrected,
        Quantize(scheme="a8w4", per_channel=per_channel, weights=(WeightChange("correct_bias"),)),
        samples,
    )

    inputs = _inputs_of(module, first.node, samples)
    wanted = torch.nn.functional.linear(inputs, first.weight, first.bias)
    few = rounded(first.weight, 7, per_channel)
    own = layers_of(corrected)[3].bias
    error = (torch.nn.functional.linear(inputs, few, first.bias) - wanted).mean(0).abs().max()
    left = (torch.nn.functional.linear(inputs, few, own) - wanted).mean(0).abs().max()
    assert report[0]["layers"] == ["first", "deep", "point", "fc1", "fc2"]
    assert (error > 1e-3, left < 1e-5) == (True, True)
    means = [tensor_of(one, layers_of(one)[1].norm.args[3]) for one in (module, corrected)]
    assert not torch.equal(*means)


def _inputs_of(module: Any, node: Any, samples: Any) -> torch.Tensor:
    found = []

    class Seen(torch.fx.Interpreter):
        def run_node(self, one: Any) -> Any:
            value = super().run_node(one)
            if one is node.args[0]:
                found.append(value)
            return value

    with torch.no_grad():
        for sample in samples:
            Seen(module).run(*sample, enable_io_processing=False)
    return torch.cat(found)


def test_a_module_without_weights_is_named(net: Any) -> None:
    """With those that there are."""
    with pytest.raises(StepError) as raised:
        changed(net, WeightChange("prune", share=0.5, module_name="fc3"))

    assert str(raised.value) == (
        "quantize.weights: module_name: got fc3, which has no layer with weights, "
        "wanted one of deep, fc1, fc2, first, point"
    )


@pytest.mark.parametrize("text", ["equalise", "cluster:32", "cluster:16@fc1", "prune:0.5@a.b", "correct_bias@head"])
def test_a_change_is_one_argument_of_the_command_line(text: str) -> None:
    """And is read back."""
    assert WeightChange.parse(text).to_argument() == text
