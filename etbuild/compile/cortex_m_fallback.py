"""Keeps what an NPU did not take in integers, as far as ExecuTorch's Cortex-M backend has an integer form of it.

ExecuTorch's Cortex-M passes fold the quantize and dequantize nodes around every quantised operator, whether or not they
have an integer form of it. Here only operators that have one are folded (`integer_forms`), and written as those passes
know them (`integer_rewriting`); the others stay in floating point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etbuild.compile import cortex_m, integer_forms
from etbuild.compile.integer_rewriting import Rewriting

if TYPE_CHECKING:
    from etbuild.compile.partition import PartitionRecord

IN_INTEGERS, IN_FLOAT = "the CPU computes it in integers", "the CPU computes it in floating point"


def transform(edge: Any, record: PartitionRecord, cpu: str) -> Any:
    """The partitioned program with the Cortex-M backend's operators around the delegates, in place.

    record: of the partition; the reasons of operators on the CPU say how these compute.
    cpu:    the processor beside the NPU, for whose kernels buffers are planned.
    """
    how: dict[str, str] = {}
    cortex_m.run_passes(edge, cpu, lambda graph, program: how.update(_rewrite(graph, program)))
    for one in record.operators:
        if one["node"] in how and one["class"] == "compute":
            one["reason"] = f"{(one['reason'] or '').rstrip('. ')}; {how[one['node']]}".removeprefix("; ")
    return edge


def _rewrite(graph: Any, program: Any) -> dict[str, str]:
    """Rewrite what has an integer form; by node, how the operators of floats compute."""
    sites = [site for node in graph.nodes if (site := integer_forms.find(node, program))]
    how = {node.name: IN_FLOAT for node in graph.nodes if integer_forms.computes_floats(node)}
    how |= {node.name: IN_INTEGERS for site in sites for node in (site.node, site.last)}
    rewriting = Rewriting(graph, program)
    for site in sites:
        rewriting.rewrite(site)
    return how
