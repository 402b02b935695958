"""A patch for the pinned PyTorch: a graph that was exported before is not traced again by TorchDynamo.

It has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from etbuild.compile.pass_patches import NAMESPACES, is_known
from etbuild.compile.patches import replaced

# Of torch.export._trace._export_to_torch_ir.
SOURCE_OF_TORCH_IR = "a8a32c30d2e800a4"

_NO_NAME = re.compile(r"[^a-zA-Z0-9]")


@contextmanager
def graphs_as_they_are() -> Iterator[None]:
    """Inside this context a strict export takes the graph of a module that consists of operators as it is.

    PyTorch generates Python from the graph, and TorchDynamo makes the same graph from that Python. The trace that
    follows, which finds out shapes and gives names, remains.

    Replaces: torch.export._trace._export_to_torch_ir.
    Source:   SOURCE_OF_TORCH_IR.
    Saves:    a third of quantising.
    Same:     the copy has what TorchDynamo's graph has: a node for each tensor of the module where it is first named,
              names, and the metadata of the node that each is made from; saved programs have equal bytes. `_is_plain`
              has the conditions, and static shapes are another.
    Delete:   when a strict export takes a module that was exported before as it is.
    """
    from torch.export import _trace

    own = _trace._export_to_torch_ir
    if not is_known(own, SOURCE_OF_TORCH_IR):
        yield
        return

    def export_to_torch_ir(
        module: Any, args: Any, kwargs: Any = None, dynamic_shapes: Any = None, **options: Any
    ) -> Any:
        if not dynamic_shapes and not options.get("preserve_module_call_signature") and _is_plain(module, args, kwargs):
            return _copy(module, args, kwargs or {})
        return own(module, args, kwargs, dynamic_shapes, **options)

    with replaced(_trace, "_export_to_torch_ir", export_to_torch_ir):
        yield


def _is_plain(module: Any, args: Any, kwargs: Any) -> bool:
    """Whether TorchDynamo would make the same graph of this module.

    Each operator is one of NAMESPACES that changes no argument; its result is one tensor, which is used. An input is a
    tensor, and an output the result of an operator.
    """
    import torch
    from torch.utils import _pytree

    if type(getattr(module, "graph", None)) is not torch.fx.Graph or not isinstance(module, torch.fx.GraphModule):
        return False
    leaves, structure = _pytree.tree_flatten((args, kwargs or {}))
    inputs = [node for node in module.graph.nodes if node.op == "placeholder"]
    if not isinstance(module.graph._codegen, torch.fx.graph._PyTreeCodeGen) or module._in_spec != structure:
        return False
    if not len(inputs) == len(leaves) == len(set(map(id, leaves))):  # A tensor given twice would be one input.
        return False
    if not all(type(leaf) is torch.Tensor for leaf in leaves):
        return False
    return all(_is_plain_node(module, node) for node in module.graph.nodes)


def _is_plain_node(module: Any, node: Any) -> bool:
    import torch
    from torch.utils._pytree import tree_leaves

    if node.op == "placeholder":
        return True
    if node.op == "get_attr":
        return bool(node.users) and type(_attribute(module, node.target)) in (torch.Tensor, torch.nn.Parameter)
    if node.op == "output":
        return all(isinstance(leaf, torch.fx.Node) and leaf.op == "call_function" for leaf in tree_leaves(node.args))
    if node.op != "call_function" or not node.users or not isinstance(node.target, torch._ops.OpOverload):
        return False
    schema = node.target._schema
    one_tensor = len(schema.returns) == 1 and isinstance(schema.returns[0].type, torch.TensorType)
    return node.target.namespace in NAMESPACES and not schema.is_mutable and one_tensor


def _attribute(module: Any, target: str) -> Any:
    return operator.attrgetter(target)(module)


def _copy(module: Any, args: Any, kwargs: Any) -> Any:
    """As _dynamo_graph_capture_for_export of torch._dynamo.functional_export returns it."""
    import inspect

    import torch
    from torch._dynamo import functional_export
    from torch._dynamo.eval_frame import argument_names
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv
    from torch.utils import _pytree

    leaves, in_spec = _pytree.tree_flatten((args, kwargs))
    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True, export=True)
    copy, tensors = _copied_graph(module, [mode.from_tensor(leaf, static_shapes=True) for leaf in leaves])
    made = torch.fx.GraphModule(tensors, copy)
    names = argument_names(inspect.signature(module.forward), args, kwargs)
    made.graph._codegen = torch.fx.graph._PyTreeCodeGen(torch.fx.graph._PyTreeInfo(names, in_spec, module._out_spec))
    made.recompile()
    functional_export.clean_nn_module_stack_and_source_fn(made, True)
    made.meta["module_call_specs"] = {}
    return made


def _copied_graph(module: Any, inputs: list[Any]) -> tuple[Any, Mapping[str, Any]]:
    """The graph, and the tensors that its get_attr nodes name."""
    import torch
    from torch._dynamo.utils import get_unique_name_wrt
    from torch.fx.proxy import _COPY_META_FIELDS
    from torch.utils import _pytree

    graph, tensors = torch.fx.Graph(), dict[str, Any]()
    nodes, node_of_tensor, remaining = dict[Any, Any](), dict[int, Any](), iter(inputs)

    def preserve(old: Any, new: Any) -> None:
        # TorchDynamo names it at first by its operator, then as the variable in the generated Python.
        new._rename(old.name)
        for field in (*_COPY_META_FIELDS, "stack_trace"):
            if field in old.meta:
                new.meta[field] = old.meta[field]

    for old in module.graph.nodes:
        if old.op == "placeholder":
            nodes[old] = new = graph.create_node("placeholder", f"arg_{len(nodes)}")
            new.meta["val"] = next(remaining)
        elif old.op == "get_attr":
            tensor = _attribute(module, old.target)
            if id(tensor) not in node_of_tensor:
                # As TorchDynamo names it; the names of placeholders are made from it.
                name = get_unique_name_wrt(f"L__self___{_NO_NAME.sub('_', old.target)}", tensors)
                tensors[name], node_of_tensor[id(tensor)] = tensor, graph.create_node("get_attr", name)
                preserve(old, node_of_tensor[id(tensor)])
            nodes[old] = node_of_tensor[id(tensor)]
        elif old.op == "call_function":
            args, kwargs = torch.fx.map_arg((old.args, old.kwargs), nodes.__getitem__)
            nodes[old] = new = graph.create_node("call_function", old.target, args, kwargs)
            new.meta["source_fn_stack"] = [(new.name, new.target)]
            preserve(old, new)
        elif old.op == "output":
            graph.create_node("output", "output", (tuple(map(nodes.__getitem__, _pytree.tree_leaves(old.args[0]))),))
    return graph, tensors
