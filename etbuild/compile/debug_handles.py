"""Which nodes of the edge program, and of the quantised program, each tensor of a delegate's TOSA graph belongs to.

While a program is lowered, `recorded` notes the node that each operator of a TOSA graph is made from. A tensor that has
the value of a quantize node of the edge program gets that node's debug handle, so that ExecuTorch's Inspector can
compare both, and its name in the quantised program; other tensors (a step of a decomposed operator, an accumulator) are
named after their node alone. It changes no byte of a program.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from etbuild.compile.exported_program import module_path, source_line, source_node

FORMAT = 1

# TOSA operators that move elements and compute nothing.
_MOVES = ("RESHAPE", "TRANSPOSE", "IDENTITY")
# TOSA operators whose result has the channels last, whatever came before.
_CHANNELS_LAST = ("CONV2D", "DEPTHWISE_CONV2D", "TRANSPOSE_CONV2D", "MAX_POOL2D", "AVG_POOL2D", "RESIZE")
# The constant of a look-up table.
_TABLE = re.compile(r"b_(.+)_table_constant")
_TO_CHANNELS_LAST, _FROM_CHANNELS_LAST = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class Quantised:
    """A quantize node of the edge program, before it is lowered.

    handles: debug handles of the nodes whose result it quantises, then its own.
    node:    its name in the quantised program; "" where it is not known.
    """

    handles: tuple[int, ...]
    sizes: tuple[int, ...]
    dtype: str
    node: str = ""


@dataclass(frozen=True)
class _EdgeNode:
    """A node of the edge program, before it is lowered. quantization: scale and zero point of its result."""

    handle: int
    quantization: tuple[float, int]
    about: dict[str, str]


@dataclass
class _Operator:
    """An operator of a TOSA graph and what its node said. last: whether the channels are last; None: not known."""

    tensor: str
    name: str
    handle: int | None
    sizes: tuple[int, ...]
    dtype: str
    inputs: tuple[str, ...]
    last: bool | None
    about: dict[str, str]


@dataclass
class Recorded:
    """The operators of each delegate, in the order of lowering: pairs of the delegate's processed bytes and its tensors
    by name."""

    delegates: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)

    def ordered(self, processed: Sequence[bytes]) -> list[dict[str, Any]]:
        """The tensors of each delegate of the emitted program. processed: their bytes, in its order."""
        left = list(self.delegates)
        found = []
        for one in processed:
            delegate = next(entry for entry in left if entry[0] == one)
            left.remove(delegate)
            found.append(delegate[1])
        return found


def key(tensor: str) -> str:
    """What the name of a delegate's event contains, if it is one of this tensor: the Inspector looks for it there."""
    return f"[{tensor}]"


@contextmanager
def recorded(etrecord: bool) -> Iterator[Recorded]:
    """Inside this context every delegate that is lowered is recorded.

    etrecord: it also gets a map of debug handles, and ExecuTorch makes an ETRecord of every program.
    """
    from executorch import exir
    from executorch.backends.arm.ethosu.backend import EthosUBackend
    from executorch.backends.arm.tosa import backend

    result = Recorded()
    operators: list[_Operator] = []
    edge: dict[str, _EdgeNode] = {}
    lower, visit, lower_edge = EthosUBackend.preprocess, backend.process_call_function, exir.to_edge_transform_and_lower

    def preprocess(edge_program: Any, compile_specs: Any) -> Any:
        operators.clear()
        edge.clear()
        edge.update(_edge_nodes(edge_program.graph_module.graph))
        values = list(_quantised(edge_program.graph_module.graph))
        made = lower(edge_program, compile_specs)
        tensors = tensors_of(operators, values)
        if etrecord:
            known = ((name, one["handles"]) for name, one in tensors.items() if "handles" in one)
            made.debug_handle_map = {key(name): tuple(handles) for name, handles in known}
        result.delegates.append((made.processed_bytes, tensors))
        return made

    def process_call_function(node: Any, *rest: Any) -> None:
        operators.append(_operator(node, operators, edge))
        visit(node, *rest)

    EthosUBackend.preprocess = staticmethod(preprocess)
    backend.process_call_function = process_call_function
    if etrecord:
        exir.to_edge_transform_and_lower = functools.partial(lower_edge, generate_etrecord=True)
    try:
        yield result
    finally:
        EthosUBackend.preprocess = staticmethod(lower)
        backend.process_call_function = visit
        exir.to_edge_transform_and_lower = lower_edge


def tensors_of(operators: Sequence[_Operator], values: Sequence[Quantised]) -> dict[str, Any]:
    """What is known of each tensor of a TOSA graph: `about` its node, and where it has the value of a quantize node the
    `handles`, `sizes`, `dtype` and name (`value`) of that, and `order`: the TOSA tensor's axes in the order of `sizes`,
    [] where a reshape is enough."""
    found: dict[str, Any] = {one.tensor: dict(one.about) for one in operators if one.sizes}
    by_name = {one.tensor: one for one in operators}
    for value in values:
        own = [one for one in operators if one.handle in value.handles and one.sizes]
        pending = own[-1:]
        while pending:
            one = pending.pop()
            order = _order(one, value.sizes)
            if one.dtype == value.dtype and order is not None:
                found[one.tensor] |= {"handles": list(value.handles), "sizes": list(value.sizes), "order": list(order)}
                found[one.tensor] |= {"dtype": value.dtype, "value": value.node}
            if one.name in _MOVES:
                pending += [by_name[name] for name in one.inputs if name in by_name and by_name[name] in own]
    return found


def _order(one: _Operator, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes of a TOSA tensor in the order of a tensor of these sizes; () where a reshape is enough, None where
    neither is."""
    if len(one.sizes) == len(sizes) == 4 and one.last:
        return _FROM_CHANNELS_LAST if tuple(one.sizes[axis] for axis in _FROM_CHANNELS_LAST) == sizes else None
    if one.sizes == sizes or tuple(n for n in one.sizes if n != 1) == tuple(n for n in sizes if n != 1):
        return ()
    return None


def _quantised(graph: Any) -> Iterator[Quantised]:
    """The quantize nodes of a part of the edge program."""
    for node in graph.nodes:
        if node.op != "call_function" or ".quantize_per_tensor" not in str(node.target):
            continue
        handles, pending = [], [node.args[0]]
        while pending:
            one = pending.pop()
            if one.op != "call_function" or "quantize_per" in str(one.target):
                continue
            pending += one.all_input_nodes
            handles.append(one.meta.get("debug_handle"))
        own = node.meta.get("debug_handle")
        known = tuple(dict.fromkeys(handle for handle in reversed(handles) if isinstance(handle, int)))
        if isinstance(own, int) and known:
            value = node.meta["val"]
            dtype = str(value.dtype).removeprefix("torch.")
            yield Quantised((*known, own), tuple(map(int, value.shape)), dtype, source_node(node) or "")


def _operator(node: Any, before: Sequence[_Operator], edge: Mapping[str, _EdgeNode]) -> _Operator:
    from executorch.backends.arm.tosa.mapping import TOSA_TENSOR_NAME_META

    value, meta = node.meta.get("val"), node.meta
    is_tensor = hasattr(value, "shape")
    name = str(getattr(node.target, "__name__", node.target)).removesuffix(".default").rpartition(".")[2]
    inputs = tuple(one.name + one.meta.get(TOSA_TENSOR_NAME_META, "") for one in node.all_input_nodes)
    known = {one.tensor: one.last for one in before}
    last = next((known[one] for one in inputs if one in known), None)
    if name in _CHANNELS_LAST:
        last = True
    elif name == "TRANSPOSE":
        last = {_TO_CHANNELS_LAST: True, _FROM_CHANNELS_LAST: False}.get(tuple(node.args[1]))
    elif name == "RESHAPE":
        last = None
    origin = _of_table(node, edge)
    handle = origin.handle if origin else meta.get("debug_handle")
    return _Operator(
        node.name + meta.get(TOSA_TENSOR_NAME_META, ""),
        name,
        handle if isinstance(handle, int) else None,
        tuple(map(int, value.shape)) if is_tensor else (),
        str(value.dtype).removeprefix("torch.") if is_tensor else "",
        inputs,
        last,
        origin.about if origin else _about(node),
    )


def _edge_nodes(graph: Any) -> dict[str, _EdgeNode]:
    """The operators of a part of the edge program whose result is quantised, by name."""
    found = {}
    for node in graph.nodes:
        if node.op == "call_function" and ".quantize_per_tensor" in str(node.target):
            origin, handle = node.args[0], node.args[0].meta.get("debug_handle")
            if isinstance(handle, int):
                found[origin.name] = _EdgeNode(handle, (node.args[1], node.args[2]), _about(origin))
    return found


def _of_table(node: Any, edge: Mapping[str, _EdgeNode]) -> _EdgeNode | None:
    """The node of the edge program that became a look-up table, which has its name and quantisation; else None."""
    names = (_TABLE.fullmatch(one.name) for one in node.all_input_nodes)
    found = next((edge[name[1]] for name in names if name and name[1] in edge), None)
    made = [(one.scale, one.zp) for one in (node.meta.get("output_qparams") or {}).values()]
    return found if found is not None and made == [found.quantization] else None


def _about(node: Any) -> dict[str, str]:
    """The module of the model that a node belongs to ("" for the model itself), its source line, and the node of the
    quantised program that it is made from."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    module = module_path(str(stack[-1][0])) if stack else ""
    more = {"line": source_line(node.meta.get("stack_trace")), "node": source_node(node)}
    return {"module": module, **{name: text for name, text in more.items() if text}}
