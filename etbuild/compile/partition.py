"""Records where ExecuTorch's partitioner runs each operator, NPU or CPU, and why. It decides nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from etbuild.compile.advice import advice_for
from etbuild.compile.exclusions import EXCLUDED, Exclusions
from etbuild.compile.exported_program import module_path, source_line, source_node, source_text
from etbuild.hardware.target import CPU_PROFILES

NO_NPU = "the target has no NPU"
NO_REASON = "ExecuTorch's partitioner gave no reason"
ADDED = "added by a pass of the recipe"
QUANTIZES_IO = "on the border between floating point and the NPU's integers"


class PartitionRecord:
    """The operators of a graph that an EthosUPartitioner has tagged, as partition.json has them.

    sources: by debug handle, the name of a node in the quantised program.
    """

    def __init__(self, profile: str, exclusions: Exclusions | None = None) -> None:
        self._profile = profile
        self._exclusions = exclusions
        self.operators: list[dict[str, Any]] = []
        self.sources: dict[int, str] = {}

    def partitioner(self, spec: Any) -> Any:
        """ExecuTorch's partitioner, which adds its decisions to this record. spec: an EthosUCompileSpec."""
        from executorch.backends.arm.ethosu import EthosUPartitioner

        record = self

        class Recorded(EthosUPartitioner):  # type: ignore[misc]  # ExecuTorch's classes are untyped
            def _create_operator_support(self, program: Any, reporter: Any) -> Any:
                self.reporter = reporter
                if record._exclusions:
                    self.additional_checks = [record._exclusions.check(reporter)]
                return super()._create_operator_support(program, reporter)

            def partition(self, exported_program: Any) -> Any:
                result = super().partition(exported_program)
                if record._exclusions:
                    record._exclusions.require_matches()
                record.add(result.tagged_exported_program.graph_module, self.reporter._rejected_nodes, NO_REASON)
                return result

        return Recorded(spec)

    def add(self, graph_module: Any, reasons: Mapping[Any, str], default: str | None) -> None:
        """Record every operator of a tagged graph; its "delegate" is the tag until `assign_delegates`.

        reasons: by node, why it runs on the CPU.
        default: the reason for nodes that are not in `reasons`; None where a reason needs no words.
        """
        found = list(_operators(graph_module, None))
        self.operators = [_describe(node, tag, reasons.get(node, default)) for node, tag in found]
        for node, one in zip((node for node, _ in found), self.operators, strict=True):
            handle = node.meta.get("debug_handle")
            if isinstance(handle, int) and one["source"]:
                self.sources[handle] = one["source"]

    def add_after_passes(self, graph_module: Any) -> None:
        """Record what passes over the partitioned program have changed: its operators around the delegates."""
        before = [one for one in self.operators if one["delegate"] is None]
        now = self.around_delegates(graph_module)
        for one in now:
            if (known := _like(one, before)) is not None:
                before.remove(known)
                one["reason"] = known["reason"]
        self.operators = [*(one for one in self.operators if one["delegate"] is not None), *now]

    def around_delegates(self, graph_module: Any) -> list[dict[str, Any]]:
        """The operators of a graph outside of its delegates, with the reason of those that passes add."""
        from executorch.exir.delegate import executorch_call_delegate

        found = (node for node, _ in _operators(graph_module, None) if node.target is not executorch_call_delegate)
        return [_describe(node, None, ADDED) for node in found]

    def add_changes(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        """Record what a pass over the program's last form has changed. before, after: of `around_delegates`.

        What the form itself has changed stays as it was: writes to buffers, the kinds of quantize operators.
        """
        gone = list(before)
        for one in after:
            if (known := _like(one, gone)) is not None:
                gone.remove(known)
            else:
                self.operators.append(one)
        for one in gone:
            if (known := _like(one, [old for old in self.operators if old["delegate"] is None])) is not None:
                self.operators.remove(known)

    def assign_delegates(self, delegate_of_tag: Mapping[str, int]) -> None:
        """Replace the tags by the numbers of delegates; operators without a delegate run on the CPU."""
        has_npu = self._profile not in ("cpu", *CPU_PROFILES.values())
        for operator in self.operators:
            operator["delegate"] = delegate_of_tag.get(operator["delegate"])
            on_npu = operator["delegate"] is not None
            operator["place"] = "NPU" if on_npu else "CPU"
            if on_npu:
                operator["reason"] = None
            reason = operator["reason"] if operator["class"] == "compute" and has_npu else None
            reason = None if reason and reason.startswith((EXCLUDED, ADDED)) else reason
            operator["advice"] = advice_for(operator["operator"], reason, self._profile) if reason else None

    def to_json(self) -> dict[str, Any]:
        """The operators, how many compute, how many of these on the NPU, and their share (0 to 1)."""
        compute = [one for one in self.operators if one["class"] == "compute"]
        on_npu = sum(one["place"] == "NPU" for one in compute)
        return {
            "operators": self.operators,
            "compute": len(compute),
            "compute_on_npu": on_npu,
            "npu_share": on_npu / len(compute) if compute else 0.0,
        }


def _like(one: dict[str, Any], others: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first of others that is the same operator: with its node's name, else with its place in the model, as an
    ExportPass gives all nodes new names."""
    like = ((*keys, "operator") for keys in (("node",), ("line", "module")))
    return next((old for keys in like for old in others if all(old[key] == one[key] for key in keys)), None)


def _operators(graph_module: Any, tag: str | None) -> Iterator[tuple[Any, str | None]]:
    """Nodes that call an operator, with the tag of their delegate; getitem of a tuple and the allocation of a buffer
    are none. Behind a cond or while_loop those that it calls, which are in its delegate.

    tag: of the node that calls this graph.
    """
    import operator

    import torch
    from executorch.exir import memory

    for node in graph_module.graph.nodes:
        own = tag or node.meta.get("delegation_tag")
        if node.op == "call_function" and node.target not in (operator.getitem, memory.alloc):
            yield node, own
        for called in node.all_input_nodes:
            module = getattr(graph_module, called.target, None) if called.op == "get_attr" else None
            if isinstance(module, torch.fx.GraphModule):
                yield from _operators(module, own)


def _describe(node: Any, tag: str | None, reason: str | None) -> dict[str, Any]:
    target = str(getattr(node.target, "_op", None) or node.target)
    namespace, _, name = target.partition(".")
    quantizes = "quantize_per" in name
    return {
        "node": node.name,
        "inputs": _inputs(node),
        "operator": name if namespace == "aten" else target,
        "class": "quantize" if quantizes else "compute",
        "place": "CPU",
        "delegate": tag,
        "reason": QUANTIZES_IO if quantizes and reason == NO_REASON else reason,
        "line": source_line(node.meta.get("stack_trace")),
        "text": source_text(node.meta.get("stack_trace")),
        "module": _module(node),
        "source": source_node(node),
    }


def _inputs(node: Any) -> list[str]:
    """The nodes whose results the operator reads, each once; a getitem is the node that it reads from."""
    import operator

    found: list[str] = []
    for one in node.all_input_nodes:
        while one.target is operator.getitem:
            one = one.args[0]
        found.append(one.name)
    return list(dict.fromkeys(found))


def _module(node: Any) -> str | None:
    """The path of the innermost module that calls the operator, "features.0.conv"; None for the model itself."""
    paths = [module_path(path) for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    return (paths[-1] if paths else "") or None
