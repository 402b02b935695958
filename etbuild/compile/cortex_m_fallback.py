"""Keeps what an NPU did not take in integers, where that is safe, between the partitions that it took.

ExecuTorch's Cortex-M passes fold the quantize and dequantize nodes around every quantised operator, whether or not they
have an integer form of it. Here only operators of two lists are given to them; the others stay in floating point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.partition import PartitionRecord

# Operators that copy elements: integers pass them unchanged when all have one scale and zero point.
_COPIES = (
    *("view_copy", "permute_copy", "transpose_copy", "squeeze_copy", "unsqueeze_copy", "select_copy", "slice_copy"),
    *("expand_copy", "repeat", "cat", "stack", "flip", "split_copy", "clone", "upsample_nearest2d", "pixel_shuffle"),
)
# Operators with an integer form: of one operand a table, of two equal shapes a sum or product.
_TABLES = ("sigmoid", "tanh", "silu", "gelu", "log", "log2", "log10", "log1p", "sqrt", "rsqrt")
_PAIRS = ("add", "sub", "mul")
IN_INTEGERS, IN_FLOAT = "the CPU computes it in integers", "the CPU computes it in floating point"


def transform(edge: Any, record: PartitionRecord) -> Any:
    """The partitioned program with the Cortex-M backend's operators around the delegates, in place.

    record: of the partition; the reasons of operators on the CPU say how these compute.
    raises: StepError when a pass gives an operator integers that it cannot compute with.
    """
    from executorch.backends.arm.common.annotation_meta import ArmAnnotationInfo
    from executorch.backends.cortex_m.passes.cortex_m_pass_manager import CortexMPassManager

    chosen = {}
    for node in edge.exported_program().graph_module.graph.nodes:
        name = _name(node)
        if node.op == "call_function" and name and "quantize_per" not in name:
            chosen[node.name] = _has_integer_form(node, name)
            if not chosen[node.name]:
                node.meta["custom"] = {
                    key: value
                    for key, value in node.meta.get("custom", {}).items()
                    if key != ArmAnnotationInfo.CUSTOM_META_KEY
                }
    edge._edge_programs["forward"] = CortexMPassManager(edge.exported_program()).transform()
    for node in edge.exported_program().graph_module.graph.nodes:
        if node.meta.get("input_qparams") and "cortex_m." not in str(node.target) and _base(_name(node)) not in _COPIES:
            raise StepError(f"fallback: cortex_m: got integers for {node.target}, which has no integer form")
    for one in record.operators:
        if one["node"] in chosen and one["class"] == "compute":
            how = IN_INTEGERS if chosen[one["node"]] else IN_FLOAT
            one["reason"] = f"{(one['reason'] or '').rstrip('. ')}; {how}".removeprefix("; ")
    return edge


def _name(node: Any) -> str:
    """An operator's name without its namespace: "add.Tensor"; "" for what is no operator."""
    return str(getattr(node.target, "_op", "")).partition(".")[2]


def _base(name: str) -> str:
    return name.partition(".")[0]


def _has_integer_form(node: Any, name: str) -> bool:
    before = [one for one in node.all_input_nodes if "dequantize_per_tensor" in str(one.target)]
    after = [one for one in node.users if ".quantize_per_tensor" in str(one.target)]
    if len(before) != len(node.all_input_nodes) or len(after) != len(node.users) or not before or not after:
        return False
    grids = [tuple(one.args[1:6]) for one in (*before, *after)]
    if any(str(grid[4]) != "torch.int8" for grid in grids):
        return False
    if _base(name) in _COPIES:
        return len(set(grids)) == 1
    if _base(name) in _PAIRS:
        of_tensors = name.endswith(".Tensor") and not node.kwargs
        return of_tensors and len({tuple(one.meta["val"].shape) for one in (*before, node)}) == 1
    return _base(name) in _TABLES and len(after) == 1
