"""Applies rules to a graph: what costs less and computes the same is kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from etbuild.errors import StepError
from etbuild.rewrite.graph import Graph, read_graph, write_graph

# A twentieth more memory is accepted for fewer cycles.
_MORE_BYTES = 1.05


@dataclass(frozen=True)
class Cost:
    """What a graph costs on the NPU, as Vela estimates it. cycles: of all operations; bytes_used: of all memories."""

    cycles: int
    bytes_used: int

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Cost:
        """row: of vela.json."""
        return cls(row["cycles"]["total"], sum(row["memory_bytes"].values()))

    def is_less_than(self, other: Cost) -> bool:
        """Fewer cycles, and hardly more bytes."""
        return self.cycles < other.cycles and self.bytes_used <= other.bytes_used * _MORE_BYTES


@dataclass
class Outcome:
    """What became of one rule.

    changed: outputs of the operators that it changed; kept: whether the graph has it; refused: whether Vela did not
    take it.
    """

    rule: str
    changed: list[str]
    before: Cost
    after: Cost
    kept: bool
    why: str = ""
    refused: bool = False

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


@dataclass(frozen=True)
class _Version:
    """A graph that Vela takes: as objects, as a file, and what it costs."""

    graph: Graph
    content: bytes
    cost: Cost


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

        A rule is applied at all its places; where Vela refuses that or it costs more, at each by itself.
        """
        version = _Version(read_graph(content, self.name), content, self.cost(content))
        for rule in rules:
            version = self._try(rule, version)
        return version.content

    def _try(self, rule: str, now: _Version) -> _Version:
        places = [place for block in now.graph.blocks for place in _module(rule).places(block)]
        if not places:
            return now
        whole, new = self._costed(rule, places, now)
        self.outcomes.append(whole)
        if whole.kept:
            return new if self._computes_the_same(new, [whole]) else now
        if len(places) == 1 or (whole.after.cycles <= now.cost.cycles and not whole.refused):
            return now
        return self._try_each(rule, places, now)

    def _try_each(self, rule: str, places: Sequence[str], now: _Version) -> _Version:
        """At each place by itself; what is kept of them is compared with the graph before as one change."""
        kept, new = list[Outcome](), now
        for place in places:
            outcome, changed = self._costed(rule, [place], new)
            self.outcomes.append(outcome)
            if outcome.kept:
                kept.append(outcome)
                new = changed
        return new if not kept or self._computes_the_same(new, kept) else now

    def _costed(self, rule: str, places: list[str], now: _Version) -> tuple[Outcome, _Version]:
        """A rule applied at these places, kept if it costs less, and the graph with it, or as it was."""
        graph = copy.deepcopy(now.graph)
        for block in graph.blocks:
            for place in places:
                _module(rule).apply(block, place)
        content = write_graph(graph, self.name)
        try:
            after = self.cost(content)
        except StepError as error:
            why = f"Vela does not take it: {error}"
            return Outcome(rule, places, now.cost, now.cost, False, why, refused=True), now
        if not after.is_less_than(now.cost):
            return Outcome(rule, places, now.cost, after, False, "it does not cost less"), now
        return Outcome(rule, places, now.cost, after, True), _Version(graph, content, after)

    def _computes_the_same(self, new: _Version, outcomes: Sequence[Outcome]) -> bool:
        """Whether the results are those of the graph before; if not, these outcomes are not kept."""
        try:
            difference = self.difference(new.content)
            why = f"a fault of the rule: {difference}" if difference else ""
        except StepError as error:
            why = f"the results cannot be compared: {error}"
        for outcome in outcomes:
            outcome.kept, outcome.why = not why, why
        return not why


def _module(rule: str) -> Any:
    return import_module(f"etbuild.rewrite.rules.{rule}")
