"""What advice.yaml says: of operators that stay on the CPU, and of what it names instead, which is on the NPU."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from etbuild.compile.advice import advice_for, table

pytestmark = pytest.mark.e2e


class Case(NamedTuple):
    """What stays on the CPU, and what its advice names instead; each is called with torch, its modules and an input.

    says: a part of the advice.
    """

    name: str
    cpu: Callable[..., Any]
    npu: Callable[..., Any]
    says: str
    profile: str = "tosa-u55"


def layer(kind: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    """A layer of torch.nn on the input."""
    return lambda torch, keep, x: keep(lambda: getattr(torch.nn, kind)(*arguments, **options))(x)


def resized(**options: Any) -> Callable[..., Any]:
    return lambda torch, keep, x: torch.nn.functional.interpolate(x, **options)


def in_one_dimension(kind: str, *arguments: Any) -> Callable[..., Any]:
    return lambda torch, keep, x: getattr(torch.nn, kind)(*arguments)(x.flatten(2))


def in_two(kind: str, *arguments: Any, **options: Any) -> Callable[..., Any]:
    return lambda torch, keep, x: keep(lambda: getattr(torch.nn, kind)(*arguments, **options))(
        x.flatten(2).unsqueeze(2)
    ).squeeze(2)


def put(torch: Any, keep: Any, x: Any) -> Any:
    return torch.scatter(x, 1, torch.zeros(1, 1, 8, 8, dtype=torch.int64), x)


def pooled_twice(torch: Any, keep: Any, x: Any) -> Any:
    pool = torch.nn.functional.avg_pool2d
    return pool(pool(x, 2), 2) + x.mean((2, 3), keepdim=True)


U55 = (
    Case("bilinear", resized(scale_factor=2, mode="bilinear"), resized(scale_factor=2, mode="nearest"), 'e="nearest")'),
    Case("bilinear_2", resized(scale_factor=2, mode="bilinear"), layer("ConvTranspose2d", 4, 4, 2, stride=2), "e=2) r"),
    Case(
        "nearest_3",
        resized(scale_factor=3, mode="nearest"),
        lambda torch, keep, x: x.repeat_interleave(3, 2).repeat_interleave(3, 3),
        "x.repeat_interleave(3, 2).repeat_interleave(3, 3)",
    ),
    Case("nearest_8", resized(scale_factor=5, mode="nearest"), resized(scale_factor=8, mode="nearest"), "2, 4 or 8"),
    Case(
        "transposed_stride_3",
        layer("ConvTranspose2d", 4, 4, 3, stride=3),
        layer("ConvTranspose2d", 4, 4, 3, stride=2),
        "stride 1 or 2",
    ),
    Case(
        "transposed_dilation",
        layer("ConvTranspose2d", 4, 4, 3, dilation=2),
        layer("ConvTranspose2d", 4, 4, 5),
        "dilation=1 with a larger kernel",
    ),
    Case(
        "transposed_groups",
        layer("ConvTranspose2d", 4, 4, 2, stride=2, groups=2),
        layer("ConvTranspose2d", 4, 4, 2, stride=2),
        "groups=1",
    ),
    Case(
        "transposed_1d",
        lambda torch, keep, x: keep(lambda: torch.nn.ConvTranspose1d(4, 4, 2, stride=2))(x.flatten(2)),
        in_two("ConvTranspose2d", 4, 4, (1, 2), stride=(1, 2)),
        "nn.ConvTranspose2d",
    ),
    Case("avg_pool_4", lambda torch, keep, x: torch.nn.functional.avg_pool2d(x, 4), pooled_twice, "two poolings by 2"),
    Case("avg_pool_1d", in_one_dimension("AvgPool1d", 2), in_two("AvgPool2d", (1, 2)), "nn.AvgPool2d((1, 2))"),
    Case("max_pool_1d", in_one_dimension("MaxPool1d", 2), in_two("MaxPool2d", (1, 2)), "nn.MaxPool2d((1, 2))"),
    Case(
        "where",
        lambda torch, keep, x: torch.where(x > 0.1, x, 0.0 * x),
        lambda torch, keep, x: torch.clamp(torch.relu(x), 0.1, 0.9),
        "torch.relu, clamp",
    ),
    Case(
        "greater",
        lambda torch, keep, x: torch.where(x > 0.2, x, 0.0 * x),
        lambda torch, keep, x: torch.maximum(x, torch.minimum(x, x * x)),
        "maximum and minimum",
    ),
    Case(
        "mask",
        lambda torch, keep, x: torch.where(x > 0.3, x, 0.0 * x),
        lambda torch, keep, x: x * torch.ones(1, 4, 1, 1),
        "a mask of floats 0 and 1",
    ),
    Case(
        "argmax", lambda torch, keep, x: torch.argmax(x, 1), lambda torch, keep, x: torch.amax(x, 1), "in the applicat"
    ),
    Case("topk", lambda torch, keep, x: torch.topk(x, 2, 1)[0], lambda torch, keep, x: torch.amax(x, 1), "torch.amax"),
    Case(
        "index",
        lambda torch, keep, x: x[:, [0, 2, 1]],
        lambda torch, keep, x: torch.cat([x[:, 0:1], x[:, 2:3], x[:, 1:2]], 1),
        "torch.cat([x[:, 0:1], x[:, 2:3]], 1)",
    ),
    Case("scatter", put, lambda torch, keep, x: torch.cat([x[:, 3:4], x[:, 1:]], 1), "torch.cat([new, x[:, 1:]], 1)"),
    Case(
        "roll",
        lambda torch, keep, x: torch.roll(x, 1, 2),
        lambda torch, keep, x: torch.cat([x[:, :, -1:], x[:, :, :-1]], 2),
        "torch.cat([x[:, :, -1:], x[:, :, :-1]], 2)",
    ),
    Case(
        "stride_and_dilation",
        layer("Conv2d", 4, 4, 2, stride=4, dilation=2),
        lambda torch, keep, x: keep(lambda: torch.nn.Conv2d(4, 4, 2, stride=4))(x),
        "stride=1 or dilation=1",
    ),
    Case(
        "dilation_alone",
        layer("Conv2d", 4, 4, 2, stride=4, dilation=3),
        layer("Conv2d", 4, 4, 3, dilation=3),
        "stride=1 or dilation=1",
    ),
    Case(
        "flip",
        lambda torch, keep, x: torch.flip(x, (3,)),
        lambda torch, keep, x: torch.flip(x.transpose(2, 3), (2,)).transpose(2, 3),
        "torch.flip(x.transpose(2, 3), (2,)).transpose(2, 3)",
    ),
    Case(
        "std",
        lambda torch, keep, x: torch.std(x, 1),
        lambda torch, keep, x: torch.sqrt(torch.var(x, 1)),
        "torch.sqrt(torch.var(x, 1))",
    ),
    Case("instance_norm", layer("InstanceNorm2d", 4), layer("GroupNorm", 4, 4), "nn.GroupNorm(C, C)"),
    Case(
        "product",
        lambda torch, keep, x: torch.prod(x, 1),
        lambda torch, keep, x: x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3],
        "x[:, 0] * x[:, 1]",
    ),
    Case(
        "softplus",
        lambda torch, keep, x: torch.nn.functional.softplus(x),
        lambda torch, keep, x: torch.log1p(torch.exp(x)),
        "torch.log1p(torch.exp(x))",
    ),
    Case(
        "log_sigmoid",
        lambda torch, keep, x: torch.nn.functional.logsigmoid(x),
        lambda torch, keep, x: torch.log(torch.sigmoid(x)),
        "torch.log(torch.sigmoid(x))",
    ),
    Case(
        "shrink",
        lambda torch, keep, x: torch.nn.functional.hardshrink(x),
        lambda torch, keep, x: torch.relu(x - 0.5) - torch.relu(-x - 0.5),
        "torch.relu(x - 0.5) - torch.relu(-x - 0.5)",
    ),
)
# What the advice for the U55 says of the U85.
U85 = (
    Case("bilinear", put, U55[0].cpu, "", "tosa-u85"),
    Case("where", put, U55[11].cpu, "", "tosa-u85"),
)


def operators(calls: Sequence[tuple[str, Callable[..., Any]]], profile: str) -> dict[str, list[dict[str, Any]]]:
    """The operators of a program that makes all these calls behind one convolution, by the name of the call."""
    import torch

    from etbuild.compile import compiler_imports

    compiler_imports.load_executorch()
    from etbuild.compile.lowering import lower_program
    from etbuild.compile.quantizer import make_quantizer  # noqa: F401 - its imports come first

    class Call(torch.nn.Module):
        def __init__(self, call: Callable[..., Any]) -> None:
            super().__init__()
            self.call = call
            self.kept = torch.nn.ModuleList()
            self.call(torch, self._first, torch.rand(1, 4, 8, 8))

        def _first(self, make: Callable[[], Any]) -> Any:
            self.kept.append(make())
            return self.kept[0]

        def forward(self, x: Any) -> Any:
            return self.call(torch, lambda _: self.kept[0], x)

    class Calls(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(4, 4, 1)
            self.calls = torch.nn.ModuleDict({name: Call(call) for name, call in calls})

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return tuple(call(x) for call in self.calls.values())

    inputs = (torch.rand(1, 4, 8, 8),)
    made = lower_program(quantised(Calls().eval(), inputs, profile), profile, "float32", Path("model"))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in calls}
    for one in made.partition["operators"]:
        path = (one["module"] or "").split(".")
        if one["class"] == "compute" and path[0] == "calls":
            found[path[1]].append(one)
    return found


def quantised(model: Any, inputs: Any, profile: str) -> Any:
    import torch
    from executorch.backends.arm.quantizer import EthosUQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from etbuild.compile.profiles import reference_spec

    quantizer = EthosUQuantizer(reference_spec(profile, True))
    quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
    graph = prepare_pt2e(torch.export.export(model, inputs).module(check_guards=False), quantizer)
    graph(*inputs)
    return torch.export.export(convert_pt2e(graph), inputs)


@pytest.fixture(scope="module")
def stayed() -> dict[str, list[dict[str, Any]]]:
    found = operators([(case.name, case.cpu) for case in U55], "tosa-u55")
    return {name: [one for one in row if one["place"] == "CPU"] for name, row in found.items()}


@pytest.fixture(scope="module")
def alternatives() -> dict[str, list[dict[str, Any]]]:
    return operators([(case.name, case.npu) for case in U55], "tosa-u55")


@pytest.mark.parametrize("case", U55, ids=lambda case: case.name)
def test_an_operator_on_the_cpu_has_its_advice(case: Case, stayed: dict[str, list[dict[str, Any]]]) -> None:
    """As ExecuTorch really refuses it, with its own reason."""
    assert any(case.says in (one["advice"] or "") for one in stayed[case.name]), stayed[case.name]


@pytest.mark.parametrize("case", U55, ids=lambda case: case.name)
def test_what_the_advice_names_is_on_the_npu(case: Case, alternatives: dict[str, list[dict[str, Any]]]) -> None:
    """All of its operators."""
    assert alternatives[case.name]
    assert [one["operator"] for one in alternatives[case.name] if one["place"] == "CPU"] == []


def test_what_the_advice_says_of_the_u85_is_on_its_npu() -> None:
    """Bilinear resize, comparisons and where."""
    found = operators([(case.name, case.npu) for case in U85], "tosa-u85")

    assert {name: {one["place"] for one in row} for name, row in found.items()} == {
        "bilinear": {"NPU"},
        "where": {"NPU"},
    }


def test_integers_of_32_bits_are_on_the_npu_where_those_of_64_are_not() -> None:
    """As inputs, which are not quantised."""
    found = {}
    for bits in ("int64", "int32"):
        found[bits] = integer_sum(bits)

    assert [one["place"] for one in found["int32"]] == ["NPU"]
    assert any("int32 inputs" in (one["advice"] or "") for one in found["int64"])


def integer_sum(dtype: str) -> list[dict[str, Any]]:
    """The operators of a sum of an input of this type with itself."""
    import torch

    from etbuild.compile import compiler_imports

    compiler_imports.load_executorch()
    from etbuild.compile.lowering import lower_program

    class Sum(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x + x

    inputs = (torch.ones(1, 4, dtype=getattr(torch, dtype)),)
    made = lower_program(quantised(Sum(), inputs, "tosa-u55"), "tosa-u55", "float32", Path("model"))
    return [one for one in made.partition["operators"] if one["class"] == "compute"]


def test_every_entry_can_be_the_first_that_applies() -> None:
    """None is hidden by one before it with the same operators and the same or no reason."""
    seen: list[Any] = []
    for one in table():
        assert all((one.operator, one.reason, one.profile) != before for before in seen)
        seen.append((one.operator, one.reason, one.profile))


def reasons() -> Iterator[str]:
    """Patterns of the entries, as text."""
    for one in table():
        # ExecuTorch fills the type in.
        yield from re.split(r"\||[()?]+", one.reason.pattern.replace("dtype torch.float32", "dtype {"))


def test_every_reason_is_one_of_executorchs() -> None:
    """Its text is in the sources of the installed partitioner; one that changes there is found here."""
    import executorch.backends.arm.operator_support as package
    from executorch.backends.arm.tosa import partitioner

    folder = Path(next(iter(package.__path__)))
    text = " ".join(file.read_text() for file in (*folder.glob("*.py"), Path(partitioner.__file__)))
    text = re.sub(r'"\s+f?"', "", text)

    assert [word for word in reasons() if word.strip() and word not in text] == []


def test_without_a_known_reason_there_is_no_advice() -> None:
    """Nothing is guessed."""
    assert advice_for("unheard_of.default", "a reason of tomorrow", "tosa-u55") is None
