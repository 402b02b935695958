"""A model's inputs of any structure: the names of their leaves, and what is no input."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from etbuild.compile.inputs import Inputs, inputs_of
from etbuild.errors import StepError

pytestmark = pytest.mark.e2e
REMEDY = "\n    nest tensors, numbers, texts and None in plain tuples, lists and dicts"


class State(NamedTuple):
    h: Any


def ones() -> Any:
    return torch.ones(1)


def test_an_inputs_name_is_its_path() -> None:
    """Position or keyword, then indices and keys, in the order of the exported program's inputs."""
    x, h, c, gain, mask = (torch.full((1,), float(n)) for n in range(5))

    found = inputs_of((x, (h, [c]), {"gain": gain, 3: 0.5}, True), {"mode": "sum", "masks": {"a": mask}, "off": None})

    assert found.named == [
        ("0", x),
        ("1.0", h),
        ("1.1.0", c),
        ("2.gain", gain),
        ("2.3", 0.5),
        ("3", True),
        ("mode", "sum"),
        ("masks.a", mask),
        ("off", None),
    ]


def test_the_names_are_in_the_order_of_torch_export() -> None:
    """That of the example, not of forward's parameters nor of the keys."""

    class Model(torch.nn.Module):
        def forward(self, x: Any, state: Any, *, first: Any, last: Any) -> Any:
            return x + state["b"] + state["a"] * first + last

    given = inputs_of((torch.ones(2), {"b": torch.ones(2), "a": torch.ones(2)}), {"last": ones(), "first": ones()})

    program = torch.export.export(Model(), given.arguments, given.keywords)

    assert [name for name, _ in given.named] == ["0", "1.b", "1.a", "last", "first"]
    assert list(program.graph_signature.user_inputs) == ["x", "state_b", "state_a", "last", "first"]


def test_other_leaves_are_put_into_the_same_structure() -> None:
    """Its containers are new: a model may change them."""
    own = Inputs((1, [2, {"a": (3,)}]), {"k": [4]})

    other = own.with_leaves(["p", "q", "r", "s"])

    assert other == Inputs(("p", ["q", {"a": ("r",)}]), {"k": ["s"]})
    assert own == Inputs((1, [2, {"a": (3,)}]), {"k": [4]})


def test_a_model_that_changes_its_containers_does_not_change_the_inputs() -> None:
    """torch.export and each sample start from the same."""
    own = Inputs(({"a": 1, "b": 2},))

    results = [own.call(lambda options: options.pop("b")) for _ in range(2)]

    assert results == [2, 2]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (torch.ones(1), ["0"]),
        ([torch.ones(1), 2], ["0", "1"]),
        ({"ids": torch.ones(1), "mask": torch.ones(1)}, ["ids", "mask"]),
        ((), []),
    ],
    ids=["tensor", "list", "dict", "nothing"],
)
def test_the_arguments_may_be_one_tensor_a_list_or_keywords(value: Any, wanted: list[str]) -> None:
    """A dict in place of the tuple holds keyword inputs."""
    assert [name for name, _ in inputs_of(value).named] == wanted


@pytest.mark.parametrize(
    ("value", "keywords", "message"),
    [
        (3, None, "got a int, wanted a tuple of the positional inputs, or a dict of the keyword inputs" + REMEDY),
        ((ones(), (ones(), {1, 2})), None, "1.1: got a set, wanted a tensor or a number" + REMEDY),
        (({"a": np.ones(1)},), None, "0.a: got a ndarray, wanted a tensor or a number" + REMEDY),
        ((np.float64(1.0),), None, "0: got a float64, wanted a tensor or a number" + REMEDY),
        ((State(ones()),), None, "0: got a State, wanted a tensor or a number" + REMEDY),
        ((torch.nn.ReLU,), None, "0: got the class ReLU, wanted a tensor or a number" + REMEDY),
        (({"a b": ones()},), None, "0: got the key 'a b', wanted keys of letters, digits, _ and -"),
        (({"a.b": ones()},), None, "0: got the key 'a.b', wanted keys of letters, digits, _ and -"),
        (({1: ones(), "1": ones()},), None, "0.1: got two inputs of this name, wanted keys that differ as text"),
        ((), [ones()], "got a list as keyword inputs, wanted a dict by the names of forward's parameters"),
        ((), {"a b": 1}, "got a dict as keyword inputs, wanted a dict by the names of forward's parameters"),
    ],
)
def test_what_is_no_input_is_an_error_with_its_place(value: Any, keywords: Any, message: str) -> None:
    """An object of another class may hide tensors that nothing would see."""
    with pytest.raises(StepError) as caught:
        inputs_of(value, keywords)

    assert str(caught.value) == message
