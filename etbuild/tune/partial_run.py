"""Runs the part of a PyTorch program that depends on some of its values, the rest being known. It compares nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any


class PartialRun:
    """A program whose nodes' values are known for one sample, and can be computed again with others.

    program: an ExportedProgram that keeps no state.
    """

    def __init__(self, program: Any) -> None:
        import torch

        self._module = program.module(check_guards=False)
        self._interpreter = torch.fx.Interpreter(self._module, garbage_collect_values=False)
        self._nodes = list(self._module.graph.nodes)
        self._by_name = {node.name: node for node in self._nodes}
        self._known: dict[Any, Any] = {}
        self.inputs = tuple(node.name for node in self._nodes if node.op == "placeholder")

    @property
    def graph(self) -> Any:
        return self._module.graph

    def set_sample(self, leaves: Sequence[Any]) -> None:
        """Compute every node. leaves: of the program's inputs."""
        import torch

        with torch.no_grad():
            given = (leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
            self._known = dict(zip((self._by_name[name] for name in self.inputs), given, strict=True))
            self._interpreter.env = self._known
            for node in self._nodes:
                if node not in self._known and node.op != "output":
                    self._run(node)

    def value(self, name: str) -> Any:
        """Of a node, for the sample."""
        return self._known[self._by_name[name]]

    def outputs(self) -> list[str]:
        """The names of the nodes that the program returns, its tensors alone."""
        return [node.name for node in self._module.graph.output_node().all_input_nodes]

    def changed(self, given: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
        """The values of nodes where others have the values that are given; nothing else is computed again."""
        import torch

        fixed = {self._by_name[name]: value for name, value in given.items()}
        needed = _before([self._by_name[name] for name in wanted], fixed)
        environment = dict(self._known) | fixed
        affected = set(fixed)
        self._interpreter.env = environment
        with torch.no_grad():
            for node in self._nodes:
                if node in needed and node not in fixed and affected.intersection(node.all_input_nodes):
                    self._run(node)
                    affected.add(node)
        return {name: environment[self._by_name[name]] for name in wanted}

    def _run(self, node: Any) -> None:
        """Compute a node. What it changes in place is a copy: the value of before stays known."""
        environment = self._interpreter.env
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            for one in node.all_input_nodes:
                environment[one] = environment[one].clone()
        environment[node] = self._interpreter.run_node(node)


def _before(ends: Iterable[Any], stops: Collection[Any]) -> set[Any]:
    """The nodes that these depend on, and themselves; not beyond those that are known."""
    found: set[Any] = set()
    pending = list(ends)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += () if node in stops else node.all_input_nodes
    return found
