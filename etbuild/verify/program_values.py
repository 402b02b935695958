"""Runs a PyTorch program and returns the values of its nodes. It compares nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from etbuild.compile.inputs import inputs_of


def values_of(program: Any, names: Sequence[str], samples: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """For each sample the values of these nodes, by name, as NumPy's arrays; without those that are no tensors.

    The program keeps its state from one sample to the next. program: an ExportedProgram. samples: leaves of its inputs.
    """
    import torch

    example = inputs_of(*program.example_inputs)
    module = program.module(check_guards=False)
    found: dict[str, Any] = {}

    def record(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value.detach().clone().numpy()

    wanted = set(names)
    for node in list(module.graph.nodes):
        if node.name in wanted:
            with module.graph.inserting_after(node):
                module.graph.call_function(record, (node.name, node))
    module.recompile()
    with torch.no_grad():
        for sample in samples:
            found.clear()
            example.with_leaves(sample).call(module)
            yield dict(found)
