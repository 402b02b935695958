"""What is kept of a rule's changes: what costs less and computes the same."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from etbuild.errors import StepError
from etbuild.recipe.rewrite_sections import REWRITE_RULES
from etbuild.rewrite import rewriter
from etbuild.rewrite.graph import Graph, read_graph
from etbuild.rewrite.rewriter import Cost, Rewriter
from tests.rewrite.graphs import Network


def two_pads() -> bytes:
    network = Network((1, 6, 6, 3))
    for _ in range(2):
        before = network.block.outputs[0] if network.block.outputs else "x"
        padded = network.pad(before, (0, 0, 1, 1, 1, 1, 0, 0), 3)
        network.block.outputs = [network.quantised(network.convolution(padded, 3, (3, 3), 3))]
    return network.file(*network.block.outputs)


def pads_in(content: bytes) -> int:
    return sum(one.op == "PAD" for block in read_graph(content, "test").blocks for one in block.operators)


def made(cost: Callable[[bytes], Cost], difference: Callable[[bytes], str] = lambda _: "") -> Rewriter:
    return Rewriter("0.tosa", cost, difference)


def test_what_costs_less_is_kept() -> None:
    """All places of a rule at once."""
    found = made(lambda content: Cost(100 + 10 * pads_in(content), 1000))

    assert pads_in(found.rewrite(two_pads(), ["pads"])) == 0
    (outcome,) = found.outcomes
    assert outcome.to_json() == {
        "rule": "pads",
        "changed": ["conv2d", "conv2d_1"],
        "cycles": {"before": 120, "after": 100},
        "bytes": {"before": 1000, "after": 1000},
        "kept": True,
    }


def test_where_all_places_cost_more_each_is_tried() -> None:
    """One of two is kept."""
    found = made(lambda content: Cost({2: 100, 1: 90, 0: 110}[pads_in(content)], 1000))

    assert pads_in(found.rewrite(two_pads(), ["pads"])) == 1
    assert [(one.changed, one.kept) for one in found.outcomes] == [
        (["conv2d", "conv2d_1"], False),
        (["conv2d"], True),
        (["conv2d_1"], False),
    ]


def test_where_vela_refuses_all_places_each_is_tried() -> None:
    """A place that it does not take leaves the others their gain."""

    def cost(content: bytes) -> Cost:
        if pads_in(content) == 0:
            raise StepError("no such kernel")
        return Cost(100 + pads_in(content), 1000)

    found = made(cost)

    assert pads_in(found.rewrite(two_pads(), ["pads"])) == 1
    assert [(one.changed, one.kept, one.why) for one in found.outcomes] == [
        (["conv2d", "conv2d_1"], False, "Vela does not take it: no such kernel"),
        (["conv2d"], True, ""),
        (["conv2d_1"], False, "Vela does not take it: no such kernel"),
    ]


def test_places_that_differ_together_are_all_left_out() -> None:
    """Those that cost less by themselves are compared with the graph before as one change, once."""
    compared = []

    def difference(content: bytes) -> str:
        compared.append(pads_in(content))
        return "sample 0: 1 of 4 elements of output 0 differ"

    found = made(lambda content: Cost({2: 100, 1: 90, 0: 110}[pads_in(content)], 1000), difference)

    assert found.rewrite(two_pads(), ["pads"]) == two_pads()
    assert compared == [1]
    assert [one.kept for one in found.outcomes] == [False, False, False]
    assert found.outcomes[1].why == "a fault of the rule: sample 0: 1 of 4 elements of output 0 differ"


def test_a_graph_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding places and changing them, for all rules and each place, need no other reading."""
    content, names = two_pads(), list[str]()

    def read(content: bytes, name: str) -> Graph:
        names.append(name)
        return read_graph(content, name)

    monkeypatch.setattr(rewriter, "read_graph", read)
    costs = iter(range(1000, 0, -1))
    found = made(lambda _: Cost(next(costs), 1000))

    found.rewrite(content, REWRITE_RULES)

    assert [one.rule for one in found.outcomes] == ["pads", "activations"]
    assert names == ["0.tosa"]


def test_what_needs_much_more_memory_is_not_kept() -> None:
    """A twentieth more is accepted, and no byte beyond it."""
    for more, left in ((50, 0), (51, 2)):
        found = made(lambda content, more=more: Cost(100 + pads_in(content), 1000 if pads_in(content) else 1000 + more))
        assert pads_in(found.rewrite(two_pads(), ["pads"])) == left


def test_a_graph_that_vela_refuses_is_not_kept() -> None:
    """Its message is the reason."""

    def cost(content: bytes) -> Cost:
        if pads_in(content) < 2:
            raise StepError("no such kernel")
        return Cost(100, 100)

    found = made(cost)

    assert found.rewrite(two_pads(), ["pads"]) == two_pads()
    assert {one.why for one in found.outcomes} == {"Vela does not take it: no such kernel"}


def test_a_rule_that_is_wrong_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its change, which costs less, is compared with the graph before."""
    wrong = SimpleNamespace(places=lambda block: block.outputs, apply=lambda block, place: None)
    monkeypatch.setattr(rewriter, "import_module", lambda name: wrong)
    costs = iter([100, 90])
    found = made(lambda _: Cost(next(costs), 100), lambda _: "sample 0: 3 of 4 elements of output 0 differ")

    assert found.rewrite(two_pads(), ["wrong"]) == two_pads()
    (outcome,) = found.outcomes
    assert (outcome.rule, outcome.kept) == ("wrong", False)
    assert outcome.why == "a fault of the rule: sample 0: 3 of 4 elements of output 0 differ"


def test_results_that_cannot_be_compared_are_not_kept() -> None:
    """For example of a graph whose sums overflow with random inputs."""

    def difference(_: bytes) -> str:
        raise StepError("an overflow")

    found = made(lambda content: Cost(100 + pads_in(content), 100), difference)

    assert found.rewrite(two_pads(), ["pads"]) == two_pads()
    assert {one.why for one in found.outcomes} == {"the results cannot be compared: an overflow"}


def test_a_graph_without_places_keeps_its_bytes() -> None:
    """No rule applies, nothing is written again."""
    network = Network((1, 4))
    content = network.file(network.rescale("x", (1 << 30, 31)))
    found = made(lambda _: Cost(1, 1))

    assert found.rewrite(content, REWRITE_RULES) == content
    assert found.outcomes == []
