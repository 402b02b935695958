"""Applies rules to a graph: what costs less and computes the same is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from etbuild.errors import StepError
from etbuild.rewrite.graph import read_graph, write_graph

# A twentieth more memory is accepted for fewer cycles.
_MORE_BYTES = 1.05


@dataclass(frozen=True)
class Cost:
    """What a graph costs on the NPU, as Vela estimates it. cycles: of all operations; bytes_used: of all memories."""

    cycles: int
    bytes_used: int

    def is_less_than(self, other: Cost) -> bool:
        """Fewer cycles, and hardly more bytes."""
        return self.cycles < other.cycles and self.bytes_used <= other.bytes_used * _MORE_BYTES


@dataclass
class Outcome:
    """What became of one rule. changed: outputs of the operators that it changed; kept: whether the graph has it."""

    rule: str
    changed: list[str]
    before: Cost
    after: Cost
    kept: bool
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """A row of rewrite.json."""
        return {
            "rule": self.rule,
            "changed": self.changed,
            "cycles": {"before": self.before.cycles, "after": self.after.cycles},
            "bytes": {"before": self.before.bytes_used, "after": self.after.bytes_used},
            "kept": self.kept,
            **({"why": self.why} if self.why else {}),
        }


@dataclass
class Rewriter:
    """Rewrites one graph.

    name:       of the graph, for messages.
    cost:       of the content of a .tosa file; raises StepError when Vela does not take it.
    difference: of the content of a .tosa file from the graph as it was: a sentence; empty when its results are equal.
    """

    name: str
    cost: Callable[[bytes], Cost]
    difference: Callable[[bytes], str]
    outcomes: list[Outcome] = field(default_factory=list)

    def rewrite(self, content: bytes, rules: Sequence[str]) -> bytes:
        """The content of a .tosa file with these rules applied; the same bytes when none changed anything.

        A rule is applied at all its places; where that costs more, at each by itself.
        """
        cost = self.cost(content)
        for rule in rules:
            content, cost = self._try(rule, content, cost)
        return content

    def _try(self, rule: str, content: bytes, cost: Cost) -> tuple[bytes, Cost]:
        module = import_module(f"etbuild.rewrite.rules.{rule}")
        places = [place for block in read_graph(content, self.name).blocks for place in module.places(block)]
        if not places:
            return content, cost
        for group in (places, *([place] for place in places if len(places) > 1)):
            new = self._changed(module, content, group)
            outcome = self._judged(rule, group, new, cost)
            self.outcomes.append(outcome)
            if outcome.kept:
                content, cost = new, outcome.after
            if group is places and outcome.after.cycles <= outcome.before.cycles:
                break
        return content, cost

    def _changed(self, module: Any, content: bytes, places: Sequence[str]) -> bytes:
        graph = read_graph(content, self.name)
        for block in graph.blocks:
            for place in places:
                module.apply(block, place)
        return write_graph(graph, self.name)

    def _judged(self, rule: str, places: list[str], new: bytes, cost: Cost) -> Outcome:
        try:
            after = self.cost(new)
        except StepError as error:
            return Outcome(rule, places, cost, cost, False, f"Vela does not take it: {error}")
        if not after.is_less_than(cost):
            return Outcome(rule, places, cost, after, False, "it does not cost less")
        try:
            difference = self.difference(new)
        except StepError as error:
            return Outcome(rule, places, cost, after, False, f"the results cannot be compared: {error}")
        if difference:
            return Outcome(rule, places, cost, after, False, f"a fault of the rule: {difference}")
        return Outcome(rule, places, cost, after, True)
