"""Keeps operators that the recipe excludes out of the NPU's partitions. It decides of nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from etbuild.compile.modules_of_nodes import is_of_module, module_names
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.program_sections import Exclude

EXCLUDED = "excluded by the recipe"


class Exclusions:
    """The entries of `partition.exclude`, and which of them matched a node."""

    def __init__(self, excludes: Sequence[Exclude]) -> None:
        self._excludes = tuple(excludes)
        self._matched: set[Exclude] = set()
        self._nodes: dict[Any, None] = {}

    def check(self, reporter: Any) -> Any:
        """ExecuTorch's operator support that supports what is not excluded. reporter: gets the reason of the rest."""
        from torch.fx.passes.operator_support import OperatorSupportBase

        exclusions = self

        class NotExcluded(OperatorSupportBase):  # type: ignore[misc]  # PyTorch's class is untyped
            def is_node_supported(self, submodules: Any, node: Any) -> bool:
                reason = exclusions.reason(node)
                if reason:
                    reporter.report_reject(node, reason)
                return not reason

        return NotExcluded()

    def reason(self, node: Any) -> str:
        """Why a node of an edge program may not be on the NPU; "" when it may.

        Quantize and dequantize nodes always may: an operator beside an excluded one needs its integers. Operators with
        floats between them (a convolution and its relu) are quantised as one, so they stay together.
        """
        if not _computes(node):
            return ""
        if self._excluded(node):
            return EXCLUDED
        with_it = next(filter(self._excluded, _quantised_with(node)), None)
        return f"{EXCLUDED}, with {with_it.name}: they are quantised as one" if with_it else ""

    def _excluded(self, node: Any) -> bool:
        self._nodes[node] = None
        found = [one for one in self._excludes if _matches(one, node)]
        self._matched |= set(found)
        return bool(found)

    def require_matches(self) -> None:
        """raises: StepError for the first entry that matched no node of the program, with the names that would."""
        for one in self._excludes:
            if one not in self._matched:
                names = ", ".join(_names(one.kind, _in_order(self._nodes))) or "none: the program has no such names"
                raise StepError(
                    f"partition.exclude: {one.kind}: got {one.match}, which matches nothing in the program, "
                    f"wanted one of {names}"
                )


def _matches(one: Exclude, node: Any) -> bool:
    """By the kind of the entry it matches:

    operator:    "aten.convolution.default", and from its left or right less: "convolution.default", "convolution".
    module_name: nodes of the module at that path, or inside it.
    module_type: nodes of modules of that class, with or without its package.
    node:        the node of that name.
    """
    if one.kind == "node":
        return bool(node.name == one.match)
    if one.kind == "operator":
        namespace, name, overload = _operator(node)
        return one.match in (f"{namespace}.{name}.{overload}", f"{namespace}.{name}", f"{name}.{overload}", name)
    return is_of_module(node, one.kind, one.match)


def _names(kind: str, nodes: Iterable[Any]) -> list[str]:
    """Everything that an entry of this kind could match in the program."""
    if kind == "node":
        return [node.name for node in nodes]
    if kind == "operator":
        return sorted({".".join(_operator(node)) for node in nodes if _operator(node)[0]})
    return module_names(nodes, kind)


def _in_order(nodes: Iterable[Any]) -> list[Any]:
    """The nodes as their graphs have them; partitioners ask for them in another order."""
    seen = dict.fromkeys(nodes)
    graphs = dict.fromkeys(node.graph for node in seen)
    return [node for graph in graphs for node in graph.nodes if node in seen]


def _operator(node: Any) -> tuple[str, str, str]:
    """Namespace, name and overload of the operator that a node calls; ("", name, "") for a Python function."""
    target = getattr(node.target, "_op", None) or node.target
    parts = str(target).split(".")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", getattr(target, "__name__", str(target)), "")


def _computes(node: Any) -> bool:
    """Whether a node calls an operator that neither quantises nor dequantises."""
    return node.op == "call_function" and "quantize_per" not in str(getattr(node.target, "_op", None) or node.target)


def _quantised_with(node: Any) -> list[Any]:
    """The other operators that are connected with this one by floats, which nothing quantises between them."""
    found, waiting = {node: None}, [node]
    while waiting:
        one = waiting.pop()
        after = [user for user in one.users if _gives_floats(one)]
        before = [source for source in one.all_input_nodes if _gives_floats(source)]
        new = [other for other in (*before, *after) if _computes(other) and other not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return list(found)[1:]


def _gives_floats(node: Any) -> bool:
    dtype = getattr(node.meta.get("val"), "dtype", None)
    return dtype is not None and bool(dtype.is_floating_point)
