"""Checks where a memory planner has put the tensors of a program: inside its buffers, and none onto another that lives.

It trusts nothing of the planner: how long a tensor lives is computed again, by ExecuTorch's own function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from etbuild.compile.exported_program import source_line
from etbuild.errors import StepError


@dataclass(frozen=True)
class _Tensor:
    """A tensor with planned memory. first, last: of the nodes that use it. storage: specs whose memory it may share.

    is_result: whether its graph returns it.
    """

    name: str
    buffer: int
    begin: int
    end: int
    first: int
    last: int
    storage: frozenset[int]
    is_result: bool

    @property
    def place(self) -> str:
        return f"{self.name} at bytes {self.begin} to {self.end}"

    def meets(self, other: _Tensor) -> bool:
        """Whether they have a byte in common."""
        return self.buffer == other.buffer and self.begin < other.end and other.begin < self.end

    def lives_with(self, other: _Tensor) -> bool:
        return self.first <= other.last and other.first <= self.last


def check_plan(title: str, graph_module: Any, signature: Any) -> None:
    """raises: StepError, which begins with the title, for the first tensor that is placed wrongly."""
    sizes = graph_module.meta.get("non_const_buffer_sizes")
    are_sizes = isinstance(sizes, list) and all(isinstance(size, int) and size >= 0 for size in sizes)
    if not are_sizes or sizes[:1] != [0]:
        raise StepError(
            f"{title}: got {sizes} as sizes of the planned buffers, wanted a list of bytes, whose first is 0\n"
            '    the planner sets graph_module.meta["non_const_buffer_sizes"]; buffer 0 is that of constants'
        )
    _check_graph(title, graph_module, signature, sizes)


def require_places(title: str, graph_module: Any, specs: Iterable[Any]) -> None:
    """raises: StepError for the first tensor that an algorithm was to place and did not."""
    names = _names(graph_module)
    for spec in specs:
        _require_place(title, names.get(id(_root(spec)), "a tensor"), spec)


def _check_graph(title: str, graph_module: Any, signature: Any, sizes: list[int]) -> list[_Tensor]:
    """Check a graph with those that it calls. return: its tensors and theirs."""
    tensors = list(_tensors(title, graph_module, signature, sizes))
    for one, other in combinations(tensors, 2):
        if one.meets(other) and one.lives_with(other) and not one.storage & other.storage:
            raise _overlap(title, one, other)
    everywhere = list(tensors)
    for index, node in enumerate(graph_module.graph.nodes):
        for called in _called(graph_module, node):
            inner = _check_graph(title, called, None, sizes)
            results = [one for one in tensors if one.first == index]
            last = max((one.last for one in results), default=index)
            for theirs in inner:
                until = last if theirs.is_result else index
                for own in tensors:
                    if own.meets(theirs) and own.first <= until and own.last >= index and own not in results:
                        raise _overlap(title, own, theirs)
            everywhere += inner
    return everywhere


def _overlap(title: str, one: _Tensor, other: _Tensor) -> StepError:
    return StepError(
        f"{title}: got {one.place} and {other.place} of planned buffer {one.buffer}, which live at the same time\n"
        "    wanted memory of its own for each; a tensor lives from the first to the last node that uses it"
    )


def _tensors(title: str, graph_module: Any, signature: Any, sizes: list[int]) -> Iterator[_Tensor]:
    """The tensors with planned memory of one graph.

    raises: StepError for one without memory that needs some, or that does not fit into its buffer.
    """
    from executorch.exir.memory_planning import (
        collect_specs_from_nodes,
        get_graph_input_tensors,
        get_graph_output_tensors,
        update_all_tensors_lifetime,
    )

    nodes = graph_module.graph.nodes
    names = _names(graph_module)
    for node in nodes:
        for spec in _specs(node):
            spec.lifetime = [None, None]
    update_all_tensors_lifetime(graph_module, signature)
    given = {id(_root(spec)) for spec in get_graph_input_tensors(nodes, signature)}
    results = {id(_root(spec)) for spec in get_graph_output_tensors(nodes)}
    found = map(_root, collect_specs_from_nodes(nodes, signature, do_assertion=False))
    for key, spec in {id(spec): spec for spec in found}.items():
        name = names.get(key, "a tensor")
        if spec.mem_id is None and spec.mem_offset is None and key in given | results:
            continue  # The caller provides its memory.
        yield _placed(title, name, spec, sizes, key in results)


def _names(graph_module: Any) -> dict[int, str]:
    """What messages call the tensors of a graph: the node that computes one, and its line of the model."""
    names: dict[int, str] = {}
    for node in graph_module.graph.nodes:
        for spec in _specs(node):
            # The memory of a result is allocated by a node that has no line of the model.
            if names.get(id(_root(spec)), "alloc").startswith("alloc"):
                names[id(_root(spec))] = _name(node)
    return names


def _require_place(title: str, name: str, spec: Any) -> None:
    if not isinstance(spec.mem_id, int) or not isinstance(spec.mem_offset, int):
        missing = "planned buffer" if spec.mem_id is None else "offset"
        raise StepError(f"{title}: got no {missing} for {name}, wanted mem_id and mem_offset of its TensorSpec")


def _placed(title: str, name: str, spec: Any, sizes: list[int], is_result: bool) -> _Tensor:
    """raises: StepError for a tensor without memory, or outside of its buffer."""
    _require_place(title, name, spec)
    buffer, begin = spec.mem_id, spec.mem_offset
    if not 0 < buffer < len(sizes):
        raise StepError(f"{title}: got {name} in planned buffer {buffer}, wanted one of 1 to {len(sizes) - 1}")
    end = begin + spec.nbytes()
    if begin < 0 or end > sizes[buffer]:
        got = f"{name} at bytes {begin} to {end} of planned buffer {buffer}"
        raise StepError(f"{title}: got {got}, which has {sizes[buffer]} bytes, wanted it inside")
    if begin % spec.dtype.itemsize:
        wanted = f"a multiple of {spec.dtype.itemsize}, the size of its elements"
        raise StepError(f"{title}: got {name} at byte {begin} of planned buffer {buffer}, wanted {wanted}")
    first, last = spec.lifetime
    return _Tensor(name, buffer, begin, end, first, last, frozenset(_storage(spec)), is_result)


def _storage(spec: Any) -> Iterator[int]:
    """The specs that share memory on purpose with this one: those that it is part of, and itself."""
    while spec is not None:
        yield id(_root(spec))
        spec = spec.storage_base


def _root(spec: Any) -> Any:
    """The spec that holds the memory of a view."""
    while "_base" in vars(spec):
        spec = spec._base
    return spec


def _specs(node: Any) -> list[Any]:
    from executorch.exir.memory_planning import get_node_tensor_specs

    return [spec for spec in get_node_tensor_specs(node) or () if spec is not None]


def _called(graph_module: Any, node: Any) -> Iterator[Any]:
    """The graphs that a cond, while_loop or map calls."""
    import torch

    for argument in node.all_input_nodes if node.op == "call_function" else ():
        called = getattr(graph_module, str(argument.target), None) if argument.op == "get_attr" else None
        if isinstance(called, torch.fx.GraphModule):
            yield called


def _name(node: Any) -> str:
    line = source_line(node.meta.get("stack_trace"))
    return f"{node.name} of {line}" if line else str(node.name)
