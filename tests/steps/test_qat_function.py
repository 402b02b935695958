"""Step quantize: what a training function gets, and what it is told when it is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from project import CONV, U55, U85, Project, compile_steps, recipe

from etbuild.errors import StepError
from etbuild.recipe.data_sections import Calibration, Quantize, Rule
from etbuild.recipe.qat_sections import Qat
from etbuild.recipe.runtime_sections import Run
from etbuild.steps import export, golden, quantize, run

if TYPE_CHECKING:
    from etbuild.hardware.target import Target

pytestmark = pytest.mark.e2e

QAT = Quantize(qat=Qat(Path("train.py")))
TRAIN = """
    import torch

    def train(model, samples):
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        for sample in samples:
            optimizer.zero_grad()
            model(*sample.inputs, **sample.keywords).square().mean().backward()
            optimizer.step()
"""
# Batch norms with epsilon and momentum of their own, after a convolution without bias, a transposed convolution and a
# linear layer; a view with a fixed first size; a dropout.
NORMED = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4, eps=0.1, momentum=0.3)
            self.up, self.norm_up = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.BatchNorm2d(4, eps=0.2)
            self.fc, self.norm_fc = nn.Linear(256, 3), nn.BatchNorm1d(3)
            self.drop = nn.Dropout(0.25)

        def forward(self, x):
            y = self.norm_up(self.up(torch.relu(self.norm(self.conv(x)))))
            return self.norm_fc(self.fc(self.drop(y.view(y.size(0), -1))))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ModelUnderTest = Net().train()
        for _ in range(4):
            ModelUnderTest(torch.randn(8, 2, 4, 4))
        ModelUnderTest.eval()
        ModelInputs = (torch.randn(1, 2, 4, 4),)
"""


def trained(project: Project, train: str = TRAIN, settings: Quantize = QAT, source: str = CONV) -> dict[str, Any]:
    """Train a model; quantization.json."""
    project.write("model.py", source)
    project.write("train.py", train)
    one = replace(recipe(), quantize=settings)
    project.run(export.step(one), quantize.step(one, "tosa-u55"))
    return dict(project.json("build/r/tosa-u55/quantization.json"))


def failure(project: Project, train: str) -> str:
    with pytest.raises(StepError) as caught:
        trained(project, train)
    return str(caught.value)


def test_a_step_with_training_names_what_it_reads_and_writes() -> None:
    """The function's file and what it declares are inputs, and it has a depfile; without training there is none."""
    settings = Quantize(qat=Qat(Path("train.py"), "fit", 3, ("data/t.bin",)))

    step = quantize.step(replace(recipe(), quantize=settings), "tosa-u55")

    assert step.argv[6:14] == (
        *("--qat-source", "train.py", "--qat-entry", "fit", "--qat-seed", "3", "--qat-read", "data/t.bin"),
    )
    assert step.inputs == ("build/r/export/exported.pt2", "train.py", "data/t.bin")
    assert step.depfile == "build/r/tosa-u55/quantize_deps.json"
    assert quantize.step(recipe(), "tosa-u55").depfile == ""


PER_TENSOR = replace(QAT, per_channel=False)
FOURS = replace(QAT, rules=(Rule(module_name="fc", scheme="a8w4"),))


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        pytest.param(QAT, U55, id="int8-u55"),
        pytest.param(FOURS, U85, id="with a8w4-u85"),
        pytest.param(PER_TENSOR, U55, marks=pytest.mark.slow, id="per tensor-u55"),
        pytest.param(QAT, U85, marks=pytest.mark.slow, id="int8-u85"),
        pytest.param(FOURS, U55, marks=pytest.mark.slow, id="with a8w4-u55"),
        pytest.param(PER_TENSOR, U85, marks=pytest.mark.slow, id="per tensor-u85"),
    ],
)
def test_a_trained_model_with_batch_norms_runs_exact(project: Project, settings: Quantize, target: Target) -> None:
    """All on the NPU, equal to the TOSA reference model."""
    run_exact(project, settings, target)


def test_a_model_is_trained_for_activations_of_16_bits(project: Project) -> None:
    """On the U85, exact."""
    run_exact(project, replace(QAT, scheme="int16x8"), U85)


def run_exact(project: Project, settings: Quantize, target: Target) -> None:
    project.write("model.py", NORMED)
    project.write("train.py", TRAIN)
    one = recipe(target, lsb=None, quantize=settings, run=Run(on="host"))
    project.run(*compile_steps(one, target), golden.step(one, target.profile), run.step(one, target))
    report = project.json(f"build/r/{target.variant}/run.json")
    assert report["bit_exact"] == report["vectors"] > 0
    assert project.json(f"build/r/{target.profile}/partition.json")["npu_share"] == 1


def test_without_a_step_of_training_the_model_computes_what_it_did(project: Project) -> None:
    """Batch norms are folded with their own epsilon: the quantised outputs differ from the float ones by some steps."""
    trained(project, "def train(model, samples): pass", source=NORMED)
    one = replace(recipe(lsb=None), quantize=QAT)

    project.run(*compile_steps(one, U55)[2:], golden.step(one, "tosa-u55"))

    (output,) = project.json("build/r/tosa-u55/golden.json")["outputs"]
    assert output["quantized_to_float"]["max_abs"] < 4 * output["step"]


def test_a_function_gets_a_model_in_training_mode_with_gradients(project: Project) -> None:
    """Although the model was exported without; dropout keeps its probability in both modes; batches are taken."""
    check = """
    import torch

    def dropout(model):
        return [node.args[1:] for node in model.graph.nodes if "dropout" in str(node.target)]

    def train(model, samples):
        assert all(one.requires_grad for one in model.parameters()) and list(model.parameters())
        assert dropout(model) == [(0.25, True)]
        assert dropout(model.eval()) == [(0.25, False)]
        assert model.train() is model and dropout(model) == [(0.25, True)]
        batch = torch.cat([sample.inputs[0] for sample in samples])
        assert model(batch).shape == (9, 3), model(batch).shape
        assert not [node for node in model.graph.nodes if "batch_norm" in str(node.target)]
    """

    trained(project, check, source=NORMED)


def test_samples_have_labels_where_the_calibration_data_has(project: Project) -> None:
    """Each is an input of one sample, keywords, and a label."""
    np.savez(project.root / "c.npz", input_0=np.zeros((3, 2, 4, 4), np.float32), labels=np.array([2, 0, 1]))
    check = """
    def train(model, samples):
        assert [sample.label for sample in samples] == [2, 0, 1]
        assert [sample.inputs[0].shape for sample in samples] == [(1, 2, 4, 4)] * 3
        assert [sample.keywords for sample in samples] == [{}] * 3
    """

    trained(project, check, replace(QAT, calibration=Calibration(data=Path("c.npz"))))


def test_a_function_may_keep_the_best_weights(project: Project) -> None:
    """By state_dict, fix the ranges, and look at the model in evaluation mode."""
    best = """
    import copy
    import torch
    from torchao.quantization.pt2e import disable_observer

    def train(model, samples):
        best = copy.deepcopy(model.state_dict())
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))
        model.load_state_dict(best)
        model.apply(disable_observer)
        with torch.no_grad():
            first = model.eval()(*samples[0].inputs)
            assert torch.equal(first, model(*samples[0].inputs))
    """

    trained(project, best, source=NORMED)


def test_inputs_and_outputs_of_unsigned_bytes_are_trained_too(project: Project) -> None:
    """io: uint8."""
    found = trained(project, settings=replace(QAT, io="uint8"))

    assert {one["name"]: one["dtype"] for one in found["tensors"]}["x"] == "uint8"


def test_a_seed_decides_what_the_function_draws(project: Project) -> None:
    """The same seed gives the same bytes, another one others."""
    draw = """
    import random
    import numpy as np
    import torch

    def train(model, samples):
        with torch.no_grad():
            for one in model.parameters():
                one.add_(torch.randn_like(one) * random.random() * np.random.rand())
    """
    found = []
    for seed in (0, 0, 1):
        trained(project, draw, Quantize(qat=Qat(Path("train.py"), seed=seed)))
        found.append((project.root / "build/r/tosa-u55/quantized.pt2").read_bytes())

    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            "def fit(model, samples): pass",
            "train.py: quantize.qat.entry: got no function train, wanted a function train(model, samples) that trains"
            " the model in place",
        ),
        (
            "import nothing_of_this_name",
            "train.py: import: got ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
            "    train.py:1 in <module>: import nothing_of_this_name",
        ),
        (
            "def train(model): pass",
            "train.py: train(): got TypeError: train() takes 1 positional argument but 2 were given",
        ),
        (
            "def train(model, samples):\n    return 3",
            "train.py: train(): got a int returned, wanted nothing: the given model is trained in place",
        ),
        (
            "def train(model, samples):\n    next(model.parameters()).data.fill_(float('nan'))",
            "train.py: train(): got NaN or infinity in conv.weight, wanted numbers\n    try a lower learning rate",
        ),
        (
            "def train(model, samples):\n    model(samples[0].inputs[0][:, :1])",
            None,
        ),
    ],
    ids=["no function", "import", "parameters", "result", "nan", "forward"],
)
def test_a_wrong_function_is_said_with_its_line(project: Project, train: str, message: str | None) -> None:
    """Without a traceback."""
    found = failure(project, train)

    if message is None:
        assert found.startswith("train.py: train(): got RuntimeError: Given groups=1, weight of size [4, 2, 3, 3]")
        assert "    train.py:2 in train: model(samples[0].inputs[0][:, :1])" in found.splitlines()
    else:
        assert found == message


def test_a_loop_is_refused(project: Project) -> None:
    """torchao prepares no body of a loop for training."""
    loop = """
    import torch

    class Loop(torch.nn.Module):
        def forward(self, x):
            def more(i, y):
                return i < 3

            def double(i, y):
                return i + 1, y + y

            return torch._higher_order_ops.while_loop(more, double, (torch.tensor(0), x))[1]

    ModelUnderTest = Loop()
    ModelInputs = (torch.ones(1, 4),)
    """
    with pytest.raises(StepError) as caught:
        trained(project, source=loop)

    first, second = str(caught.value).splitlines()
    assert first.endswith("quantize.qat: got a model with while_loop, wanted one without a loop")
    assert second == "    torchao prepares no body of a loop for training; delete qat, or unroll the loop"


def test_what_a_function_cannot_be_seen_to_read_is_said(project: Project) -> None:
    """With the key that declares it."""
    train = "import subprocess\n\ndef train(model, samples):\n    subprocess.run(['true'])"

    trained(project, train)

    assert project.json("build/r/tosa-u55/quantize_deps.json")["untracked"] == [
        "train.py:4: got a subprocess, which cannot be tracked; name what it reads in quantize.qat.reads"
    ]


KEEPS_STATE = """
    import torch

    class Mean(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(1, 4))
            self.fc = torch.nn.Linear(4, 4)

        def forward(self, x):
            self.mean.copy_(0.5 * self.mean + 0.5 * x)
            return self.fc(self.mean)

    ModelUnderTest = Mean()
    ModelInputs = (torch.ones(1, 4),)
"""


def test_a_model_that_keeps_state_is_not_trained(tmp_path: Path) -> None:
    """Its samples are the steps of one sequence, and the function would call it in any order."""
    with pytest.raises(StepError) as caught:
        trained(Project(tmp_path), source=KEEPS_STATE)

    assert str(caught.value) == (
        "quantize.qat: got a model that keeps state in mean, wanted one without\n"
        "    train it in a module whose state is an input and an output, and load the weights into this model"
    )
