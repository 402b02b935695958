"""The layers of a quantised program, and the nodes of the float model that have the same values. It runs nothing.

A layer is what is stored as one tensor: a quantize node with the operators between it and the values before; an
operator whose result is not quantised is one by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etbuild.compile.exported_program import module_path, source_line

if TYPE_CHECKING:
    from etbuild.verify.compare import QuantParams

# Operators that the quantiser joins with the one before.
_FOLDED = ("batch_norm",)
# Operators that give the elements of their input, in the same order.
_VIEWS = ("view", "view_copy", "reshape", "flatten", "unsqueeze", "squeeze", "alias", "clone", "contiguous", "dropout")


@dataclass(frozen=True)
class ModelLayer:
    """A layer of a quantised program, by the names of its nodes.

    value:     the quantize node; without one the operator.
    result:    the operator whose result is the value.
    operators: in their order.
    params:    of the value; None where it is not quantised.
    reads:     the values of the layers before.
    moves:     whether it has the elements of the one value that it reads, in their order.
    """

    value: str
    result: str
    operators: tuple[str, ...]
    params: QuantParams | None
    reads: tuple[str, ...] = ()
    moves: bool = False


def layers_of(graph: Any) -> list[ModelLayer]:
    """The layers of a quantised program, in its order. graph: of its module."""
    regions: dict[Any, list[Any]] = {}
    taken = set()
    for node in filter(_is_quantize, graph.nodes):
        region = [one for one in _region(node) if one not in taken]
        if node.args[0] in region:
            taken.update(region)
            regions[node] = region
    regions |= {node: [node] for node in graph.nodes if _computes(node) and node not in taken}
    params = {node: _params(node) if _is_quantize(node) else None for node in graph.nodes}
    found = []
    for value in (node for node in graph.nodes if node in regions):
        region = regions[value]
        reads = dict.fromkeys(one for node in region for one in _values_before(node, regions) if one is not value)
        result = value.args[0] if params[value] else value
        is_view = all(_operator(node) in _VIEWS for node in region) and len(reads) == 1
        moves = is_view and params[next(iter(reads))] == params[value]
        names = tuple(node.name for node in region), params[value], tuple(one.name for one in reads), moves
        found.append(ModelLayer(value.name, result.name, *names))
    return found


def _values_before(node: Any, values: Any) -> list[Any]:
    """The values that an operator reads, as nodes; without weights and inputs of the model."""
    found = []
    for one in node.all_input_nodes:
        while one not in values and _quantises(one) and one.all_input_nodes:
            one = one.all_input_nodes[0]
        found += [one] if one in values else []
    return found


def is_quantised(graph: Any) -> bool:
    """Whether any value of a graph is quantised."""
    return any(_is_quantize(node) for node in graph.nodes)


def names_inside(module: Any) -> set[str]:
    """The names of nodes in the branches and loops of a program."""
    import torch

    inner = [one for one in module.modules() if isinstance(one, torch.fx.GraphModule) and one is not module]
    return {node.name for one in inner for node in one.graph.nodes}


def counterparts(quantised: Any, floating: Any) -> dict[str, str]:
    """For operators of a quantised program the node of the float model that has the same value, by name; perhaps in
    another shape.

    Operators are the same where as many of both come from one line and module, in that order; and the operands of the
    same operators are the same. quantised, floating: graphs.
    """
    found: dict[Any, Any] = {}
    groups = _signatures(floating)
    for signature, nodes in _signatures(quantised).items():
        others = groups.get(signature, [])
        if len(nodes) == len(others):
            found |= zip(nodes, others, strict=True)
    names = {node.name for node in found.values()}
    pending = list(found.items())
    for node, other in pending:
        same = node.target == other.target
        pairs = zip(_operands(node), _operands(other), strict=False) if same else []
        # What the quantiser adds behind a decomposed operator has its value, too.
        pairs = [*pairs, *((one, other) for one in _operands(node)[:1] if not same and _operator(node) in _VIEWS)]
        for operand, its in pairs:
            if operand not in found and _computes(operand) and _computes(its) and _size(operand) == _size(its):
                found[operand] = its
                pending.append((operand, its))
    ends = {node: _unfolded(other, names) for node, other in found.items()}
    return {node.name: other.name for node, other in ends.items() if _size(node) == _size(other)}


def _unfolded(node: Any, names: set[str]) -> Any:
    """The last of the operators behind a node that the quantiser has joined with it. names: of others."""
    while len(node.users) == 1:
        (user,) = node.users
        if user.name in names or _operator(user) not in _FOLDED:
            break
        node = user
    return node


def _signatures(graph: Any) -> dict[tuple[str, ...], list[Any]]:
    found: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for node in filter(_computes, graph.nodes):
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        module = module_path(str(stack[-1][0])) if stack else ""
        found[str(node.target), module, source_line(node.meta.get("stack_trace")) or ""].append(node)
    return found


def _operands(node: Any) -> list[Any]:
    """The first operands, without the quantisation between."""
    found = []
    for one in node.all_input_nodes[:2]:
        while _quantises(one) and one.all_input_nodes:
            one = one.all_input_nodes[0]
        found.append(one)
    return found


def _region(quantize: Any) -> list[Any]:
    """The operators whose result a node quantises, in the order of the graph."""
    found, pending = set(), [quantize.args[0]]
    while pending:
        node = pending.pop()
        if node not in found and _computes(node):
            found.add(node)
            pending += node.all_input_nodes
    return [node for node in quantize.graph.nodes if node in found]


def _computes(node: Any) -> bool:
    return bool(node.op == "call_function" and "." in str(node.target) and not _quantises(node))


def _is_quantize(node: Any) -> bool:
    """A node that makes integers of an activation."""
    return bool(node.op == "call_function" and ".quantize_per_tensor" in str(node.target))


def _quantises(node: Any) -> bool:
    return bool(node.op == "call_function" and "quantize_per" in str(node.target))


def _operator(node: Any) -> str:
    """ "batch_norm" of aten.batch_norm.default."""
    return str(node.target).partition(".")[2].partition(".")[0]


def _size(node: Any) -> int | None:
    """Number of elements."""
    value = node.meta.get("val")
    return int(value.numel()) if hasattr(value, "numel") else None


def _params(node: Any) -> QuantParams | None:
    if len(node.args) < 6 or any(hasattr(one, "name") for one in node.args[1:3]):
        return None
    _, scale, zero_point, low, high, dtype = node.args[:6]
    name = str(dtype).removeprefix("torch.")
    return {"dtype": name, "scale": float(scale), "zero_point": int(zero_point), "range": [int(low), int(high)]}
