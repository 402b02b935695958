"""What the partitioner decided about each operator, and why. It decides nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etbuild.compile.exported_program import source_line

NO_NPU = "the target has no NPU"
UNTOLD = "ExecuTorch's partitioner gave no reason"
BORDER = "on the border between floating point and the NPU's integers"


class PartitionRecord:
    """Listens to an EthosUPartitioner while it tags a graph."""

    def __init__(self) -> None:
        self.operators: list[dict[str, Any]] = []

    def partitioner(self, spec: Any) -> Any:
        """A partitioner that decides as ExecuTorch's own, and leaves its decisions here."""
        from executorch.backends.arm.ethosu import EthosUPartitioner

        record = self

        class Recorded(EthosUPartitioner):  # type: ignore[misc]  # ExecuTorch's classes are untyped
            def _create_operator_support(self, program: Any, reporter: Any) -> Any:
                self.why = reporter
                return super()._create_operator_support(program, reporter)

            def partition(self, exported_program: Any) -> Any:
                result = super().partition(exported_program)
                record.take(result.tagged_exported_program.graph_module, self.why._rejected_nodes, UNTOLD)
                return result

        return Recorded(spec)

    def take(self, graph_module: Any, reasons: Mapping[Any, str], otherwise: str) -> None:
        """Note every operator of a tagged graph; `delegate` holds the tag until `number` is called.

        otherwise: why an operator without a reason of its own is on the CPU.
        """
        self.operators = [_describe(node, reasons.get(node, otherwise)) for node in _operators(graph_module)]

    def number(self, delegate_of_tag: Mapping[str, int]) -> None:
        for operator in self.operators:
            operator["delegate"] = delegate_of_tag.get(operator["delegate"])
            on_npu = operator["delegate"] is not None
            operator["place"] = "NPU" if on_npu else "CPU"
            if on_npu:
                operator["reason"] = None

    def to_json(self) -> dict[str, Any]:
        compute = [one for one in self.operators if one["class"] == "compute"]
        on_npu = sum(one["place"] == "NPU" for one in compute)
        return {
            "operators": self.operators,
            "compute": len(compute),
            "compute_on_npu": on_npu,
            "npu_share": on_npu / len(compute) if compute else 0.0,
        }


def _operators(graph_module: Any) -> list[Any]:
    """Nodes that compute, of the graph and of the branches and loop bodies in it; taking a part of a tuple does not."""
    import operator

    import torch

    found = []
    for module in graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            found += [n for n in module.graph.nodes if n.op == "call_function" and n.target is not operator.getitem]
    return found


def _describe(node: Any, reason: str) -> dict[str, Any]:
    target = str(getattr(node.target, "_op", None) or node.target)
    namespace, _, name = target.partition(".")
    quantizes = "quantize_per" in name
    return {
        "node": node.name,
        "operator": name if namespace == "aten" else target,
        "class": "quantize" if quantizes else "compute",
        "place": "CPU",
        "delegate": node.meta.get("delegation_tag"),
        "reason": BORDER if quantizes and reason == UNTOLD else reason,
        "line": source_line(node.meta.get("stack_trace")),
    }
