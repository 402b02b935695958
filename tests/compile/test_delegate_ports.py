"""What a delegate takes and gives, compared among program, TOSA graph and Vela's stream."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from etbuild.compile import delegate_calls
from etbuild.compile.delegate_calls import Tensor
from etbuild.compile.lowered import Lowered
from etbuild.errors import StepError

REMEDY = (
    "\n    what it has to give depends on the operators that are not on the NPU: partition.json says why they are not"
)
X, Y, Z = Tensor("x", (1, 4), "int8", 1), Tensor("y", (1, 2), "int8", 1), Tensor("z", (1, 4), "int16", 2)


class FakeTensor(SimpleNamespace):
    """A value of ExecuTorch's schema."""


FakeTensor.__name__ = "Tensor"


def lowered(*tensors: tuple[int, list[int]]) -> Any:
    """A program that calls delegate 0 with these tensors: scalar type and sizes."""
    values = [SimpleNamespace(val=FakeTensor(scalar_type=dtype, sizes=sizes)) for dtype, sizes in tensors]
    call = SimpleNamespace(instr_args=SimpleNamespace(delegate_index=0, args=list(range(len(values)))))
    chains = [SimpleNamespace(instructions=[call])]
    plan = SimpleNamespace(name="forward", delegates=[None], values=values, chains=chains)
    return Lowered(SimpleNamespace(execution_plan=[plan]), None)


def ports(monkeypatch: pytest.MonkeyPatch, **sides: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]) -> None:
    """graph, stream: the inputs and outputs that they have."""
    for name, value in sides.items():
        monkeypatch.setattr(delegate_calls, f"{name}_ports", lambda _, value=value: value)


def test_a_type_that_the_program_declares_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 in the program, int16 in the graph: its bytes would be read as floats."""
    ports(monkeypatch, graph=((X,), (Z,)))

    with pytest.raises(StepError) as caught:
        delegate_calls.check_graphs(lowered((1, [1, 4]), (6, [1, 4])), [b""])

    assert str(caught.value) == (
        "delegate 0, output 0: got a tensor (float32[1, 4]) in the program but z (int16[1, 4]) in its TOSA graph"
        + REMEDY
    )


def test_a_program_that_agrees_with_its_graph_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs and the order of dimensions may differ."""
    ports(monkeypatch, graph=((X,), (Y,)))

    delegate_calls.check_graphs(lowered((0, [4, 1]), (1, [2, 1])), [b""])


def test_a_program_with_another_number_of_tensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between program and graph."""
    ports(monkeypatch, graph=((X,), (Y,)))

    with pytest.raises(StepError, match=r"delegate 0: got 1 inputs and 1 outputs in its TOSA graph, wanted 3 together"):
        delegate_calls.check_graphs(lowered((1, [4]), (1, [2]), (1, [2])), [b""])


def test_the_output_that_vela_lost_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one without a partner."""
    ports(monkeypatch, graph=((X,), (X, Z, Y)), stream=((X,), (X, Y)))

    with pytest.raises(StepError) as caught:
        delegate_calls.check_stream(3, b"", b"")

    assert str(caught.value) == (
        "delegate 3: got 2 outputs from Vela, wanted 3: z (int16[1, 4]) is lost: an output that the NPU also reads "
        "itself is left out, and would never be written" + REMEDY
    )


def test_a_buffer_that_vela_lost_is_named_as_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of outputs of one type, it is the one that the graph reads itself."""
    state = Tensor("y", (1, 4), "int8", 1, is_read=True)
    ports(monkeypatch, graph=((X,), (state, X)), stream=((X,), (X,)))

    with pytest.raises(StepError) as caught:
        delegate_calls.check_stream(0, b"", b"", {0: "cache.keys", 1: "cache.values"})

    assert str(caught.value) == (
        "delegate 0: got 1 outputs from Vela, wanted 2: what the model writes to the buffer cache.keys is lost: an "
        "output that the NPU also reads itself is left out, and would never be written\n"
        "    write rows of self.cache.keys along its first axis that has more than one element, as in [1, positions, "
        "width], and split\n"
        "    what is read of it; or make it an input and an output of the model, and keep it in the application"
    )


def test_an_element_of_another_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vela's stream says how many bytes an element has, not its type."""
    ports(monkeypatch, graph=((X,), (Z,)), stream=((X,), (Tensor("", (1, 1, 1, 1, 1, 4), "", 1),)))

    with pytest.raises(StepError) as caught:
        delegate_calls.check_stream(0, b"", b"")

    assert str(caught.value) == (
        "delegate 0, output 0: got z (int16[1, 4]) in its TOSA graph but a tensor (1-byte elements[1, 1, 1, 1, 1, 4]) "
        "in Vela" + REMEDY
    )
