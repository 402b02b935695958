"""Monkey patches for the pinned ExecuTorch that make a pass over a graph cheaper; output bytes are unchanged.

A pass of ExecuTorch that changes anything interprets the whole graph: it calls each operator with fake tensors, also
those that it leaves alone, to learn the shape and type of the result. Each docstring here has the parts that
`etbuild.compile.patches` names. One that does a function's work itself has `Source`, the beginning of the SHA-256 of
that function's text: where the installed one has another text, the patch is left out, and lowering takes longer.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from etbuild.compile.patches import replaced
from etbuild.compile.trace_patches import cheaper_nodes

# Of executorch.exir.pass_base._ExportPassBase: of _fx, and of ExportInterpreter.run_node.
SOURCE_OF_FX = "d21aacbb5c107fba"
# Of torch._export.pass_base._ExportPassBaseDeprecatedDoNotUse, which that of ExecuTorch was copied from: of _fx.
SOURCE_OF_TORCHS_FX = "fc5bee485d9e884b"
SOURCE_OF_RUN_NODE = "4825448c64e2c672"
# Their results have a shape and a type that follow from those of the arguments.
NAMESPACES = frozenset({"aten", "cortex_m", "dim_order_ops", "quantized_decomposed", "tosa"})


def is_known(function: Callable[..., Any], source: str) -> bool:
    """Whether the function's text is the one that a patch was written for. source: begins its SHA-256."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        return False
    return hashlib.sha256(text.encode()).hexdigest().startswith(source)


class _NotPlainError(Exception):
    """An argument that is no static fake tensor, number, text, type or list of such."""


@contextmanager
def cheaper_passes() -> Iterator[None]:
    """Inside this context all patches of this module apply, and those of nodes."""
    with reuse_operator_results(), describe_nodes_on_demand(), leaves_of_plain_lists(), cheaper_nodes():
        yield


@contextmanager
def reuse_operator_results() -> Iterator[None]:
    """Inside this context a pass calls an operator once for arguments of the same metadata, in any pass and graph.

    Replaces: executorch.exir.pass_base._ExportPassBase._fx, and that of _ExportPassBaseDeprecatedDoNotUse in
              torch._export.pass_base, which is the same for static shapes.
    Source:   SOURCE_OF_FX, SOURCE_OF_TORCHS_FX.
    Saves:    half of lowering.
    Same:     a fake tensor has no values: shape, strides and type of a result follow from those of the arguments, and
              from the numbers and texts among them, which are all in the key. `_Results` has the conditions. The node
              gets the same arguments, converted once instead of four times. A delegate's program has its metadata.
    Delete:   when ExecuTorch's passes leave alone what they do not change, or fake tensors cache TOSA's operators.
    """
    from executorch.exir import pass_base
    from torch._export import pass_base as torchs
    from torch._export.pass_infra import proxy_value

    executorchs, torchs_own = pass_base._ExportPassBase, torchs._ExportPassBaseDeprecatedDoNotUse
    with ExitStack() as stack:
        for owner, value, source in (
            (executorchs, pass_base.ProxyValue, SOURCE_OF_FX),
            (torchs_own, proxy_value.ProxyValue, SOURCE_OF_TORCHS_FX),
        ):
            if is_known(owner._fx, source):
                stack.enter_context(replaced(owner, "_fx", _reusing(owner._fx, _Results(value))))
        yield


def _reusing(own: Callable[..., Any], results: _Results) -> Callable[..., Any]:
    """A replacement of the method `_fx` of passes, whose own it calls for all that `results` does not know."""

    def fx(self: Any, kind: str, target: Any, args: Any, kwargs: Any, meta: Any) -> Any:
        if kind != "call_function" or not results.are_of(target):
            return own(self, kind, target, args, kwargs, meta)
        try:
            delegate, tensors = results.delegate_in(target, args)
            args_data, args_nodes, args_key = results.split(tensors)
            split = {name: results.split(value) for name, value in kwargs.items()}
        except _NotPlainError:
            return own(self, kind, target, args, kwargs, meta)
        key = (target, delegate, args_key, *((name, part[2]) for name, part in split.items()))
        kwargs_data = {name: part[0] for name, part in split.items()}
        call = partial(self.interpreter.call_function, target, (*delegate, *args_data), kwargs_data)
        data = results.of(key, call, args_data, *delegate)
        tracer = self.tracer
        args_nodes = (*tracer.create_arg(delegate), *args_nodes)
        kwargs_nodes = {name: part[1] for name, part in split.items()}
        node = tracer.create_node("call_function", target, args_nodes, kwargs_nodes, results.name(target, tracer.graph))
        node.meta.update(meta.data)
        if type(data) is results.FakeTensor:
            node.meta["val"], node.meta["tensor_meta"] = data, None
        else:
            tracer.set_metadata(node, data)
        return results.ProxyValue(data, tracer.proxy(node))

    return fx


@contextmanager
def describe_nodes_on_demand() -> Iterator[None]:
    """Inside this context a pass formats a node as text when the text is read, not for each node that it visits.

    Replaces: executorch.exir.pass_base._ExportPassBase.ExportInterpreter.run_node, and node_debug_str, which it sets.
    Source:   SOURCE_OF_RUN_NODE.
    Saves:    a twentieth of lowering: lists of scales of a thousand channels are formatted too.
    Same:     the text is for messages; it is that of the node that is visited when it is read.
    Delete:   when ExecuTorch formats the node in the message that needs it.
    """
    from executorch.exir.pass_base import _ExportPassBase
    from torch.fx import Interpreter

    interpreter = _ExportPassBase.ExportInterpreter
    if not is_known(interpreter.run_node, SOURCE_OF_RUN_NODE):
        yield
        return

    def run_node(self: Any, node: Any) -> Any:
        self.node = node
        self.callback.__dict__["node_of_text"] = node
        return Interpreter.run_node(self, node)

    def text(self: Any) -> str | None:
        node = self.__dict__.get("node_of_text")
        return node.format_node() if node is not None else None

    described = property(text, lambda self, value: None)
    _ExportPassBase.node_debug_str = described
    try:
        with replaced(interpreter, "run_node", run_node):
            yield
    finally:
        del _ExportPassBase.node_debug_str


@contextmanager
def leaves_of_plain_lists() -> Iterator[None]:
    """Inside this context PyTorch goes through a list of numbers, texts and nodes at once, not element by element.

    A new node's arguments are searched for symbolic numbers, also those with the scales of a thousand channels.

    Replaces: torch.utils._pytree.tree_iter.
    Saves:    a fifteenth of lowering.
    Same:     numbers, texts and nodes are leaves, lists and tuples are not; all else goes to PyTorch's own.
    Delete:   when PyTorch does not search for symbolic numbers in each node, or does it in C++.
    """
    from torch.fx import Node
    from torch.fx.immutable_collections import immutable_list
    from torch.utils import _pytree

    own = _pytree.tree_iter
    leaves, lists = frozenset({int, float, bool, str, Node}), frozenset({list, tuple, immutable_list})

    def tree_iter(tree: Any, is_leaf: Any = None) -> Iterator[Any]:
        if is_leaf is not None or type(tree) not in lists:
            yield from own(tree, is_leaf)
        elif leaves.issuperset(map(type, tree)):
            yield from tree
        else:
            for item in tree:
                yield from tree_iter(item)

    with replaced(_pytree, "tree_iter", tree_iter):
        yield


class _Results:
    """The results of operators, by operator and metadata of the arguments.

    Only of a delegate, or of an operator of NAMESPACES that changes no argument, for static, dense fake tensors; and
    only if a result has a memory of its own and is equal in all that counts to a new tensor of its shape, strides and
    type. value: the class of the passes' values.
    """

    def __init__(self, value: Any) -> None:
        import torch
        from executorch.exir.dialects.edge._ops import EdgeOpOverload
        from executorch.exir.pass_base import executorch_call_delegate
        from torch._ops import OpOverload
        from torch._subclasses import FakeTensor
        from torch.fx.immutable_collections import immutable_list

        self.torch, self.FakeTensor, self.ProxyValue = torch, FakeTensor, value
        self._overloads = (OpOverload, EdgeOpOverload)
        self._lists = frozenset({list, immutable_list, tuple})
        described = (torch.dtype, torch.device, torch.layout, torch.memory_format)
        self._plain = frozenset({int, float, bool, str, type(None), *described})
        self._call_delegate = executorch_call_delegate
        self._pure: dict[Any, bool] = {executorch_call_delegate: True}
        self._made: dict[Any, Any] = {}

    def are_of(self, target: Any) -> bool:
        """Whether the operator's results may be used again."""
        found = self._pure.get(target)
        if found is None:
            found = self._pure[target] = isinstance(target, self._overloads) and self._is_pure(target)
        return found

    def delegate_in(self, target: Any, args: Any) -> tuple[tuple[Any, ...], Any]:
        """The delegate among the arguments, which the passes leave alone once it is made, and the other arguments."""
        return (args[:1], args[1:]) if target is self._call_delegate else ((), args)

    def _is_pure(self, target: Any) -> bool:
        own = target if isinstance(target, self._overloads[0]) else target._op
        schema = own._schema
        borders = (*schema.arguments, *schema.returns)
        return own.namespace in NAMESPACES and all(border.alias_info is None for border in borders)

    def name(self, target: Any, graph: Any) -> str | None:
        """As `_fx` names the node; None leaves it to the graph."""
        if isinstance(target, self.torch._ops.OpOverload):
            return str(graph._target_to_str(target.overloadpacket.__name__))
        return None

    def split(self, value: Any) -> tuple[Any, Any, Any]:
        """An argument as the operator gets it, as the node gets it, and as a part of the key.

        raises: _NotPlainError.
        """
        kind = type(value)
        if kind is self.ProxyValue:
            return value.data, value.node, self._metadata(value.data)
        if kind in self._plain:
            return value, value, (kind, value)
        if kind not in self._lists:
            raise _NotPlainError
        made = tuple if kind is tuple else list
        kinds = set(map(type, value))
        if kinds <= self._plain:
            items = made(value)
            types = tuple(map(type, value)) if len(kinds) > 1 else tuple(kinds)
            return items, items, (made, types, tuple(value))
        data, nodes, keys = zip(*map(self.split, value), strict=True)
        return made(data), made(nodes), (made, keys)

    def _metadata(self, tensor: Any) -> tuple[Any, ...]:
        if (
            type(tensor) is not self.FakeTensor
            or tensor.layout is not self.torch.strided
            or tensor._has_symbolic_sizes_strides
            or tensor.constant is not None
            or tensor.is_quantized
            or tensor.is_neg()
            or tensor.is_conj()
            or tensor.is_inference()
        ):
            raise _NotPlainError
        numbers = tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.untyped_storage().nbytes()
        return (*numbers, tensor.dtype, tensor.device, tensor.requires_grad, tensor.fake_mode)

    def of(self, key: Any, call: Callable[[], Any], arguments: Any, delegate: Any = None) -> Any:
        """The result of an operator, or of a delegate; call: calls it with the arguments."""
        key = key, self.torch.is_grad_enabled()
        if key in self._made:
            form, *recipes = self._made[key]
            made = [self._new(recipe) for recipe in recipes]
            return form(made) if form else made[0]
        result = self.of_delegate(delegate, arguments, call) if delegate is not None else call()
        form = type(result) if type(result) in (tuple, list) else None
        try:
            recipes = [self._recipe(one, arguments) for one in (result if form else [result])]
        except _NotPlainError:
            return result
        self._made[key] = (form, *recipes)
        return result

    def of_delegate(self, delegate: Any, arguments: Any, call: Callable[[], Any]) -> Any:
        """The result of a delegate, from the metadata of the program that it is made of. call: calls the delegate.

        It is called where the program has inputs of other metadata, or changes one, or returns what is no result of an
        operator.
        """
        from torch.export.graph_signature import OutputKind

        program = delegate.original_module
        nodes = {node.name: node for node in program.graph.nodes}
        inputs = [nodes[name] for name in program.graph_signature.user_inputs if name in nodes]
        outputs, structure = program.graph.output_node().args[0], program.call_spec.out_spec
        kinds = {spec.kind for spec in program.graph_signature.output_specs}
        if kinds != {OutputKind.USER_OUTPUT} or not all(self.are_of(node.target) for node in outputs):
            return call()
        if structure.type not in (tuple, list) or structure.num_leaves != structure.num_children:
            return call()
        try:
            expected = [self._metadata(node.meta["val"])[:-1] for node in inputs]
            given = [self._metadata(argument) for argument in arguments]
            recipes = [self._recipe(node.meta["val"], ()) for node in outputs]
        except (_NotPlainError, KeyError):
            return call()
        if not given or expected != [one[:-1] for one in given]:
            return call()
        return structure.type(self._new((*recipe[:-1], given[0][-1])) for recipe in recipes)

    def _recipe(self, tensor: Any, arguments: Any) -> tuple[Any, ...]:
        """What `_new` needs to make a tensor like this one. raises: _NotPlainError."""
        from torch.utils._pytree import tree_leaves

        metadata = self._metadata(tensor)
        memory = tensor.untyped_storage()._cdata
        given = [one for one in tree_leaves(arguments) if isinstance(one, self.FakeTensor)]
        if any(one.untyped_storage()._cdata == memory for one in given):
            raise _NotPlainError
        shape, stride, _, _, dtype, device, requires_grad, mode = metadata
        recipe = shape, stride, dtype, device, mode
        if requires_grad or self._metadata(self._new(recipe)) != metadata:
            raise _NotPlainError
        return recipe

    def _new(self, recipe: tuple[Any, ...]) -> Any:
        shape, stride, dtype, device, mode = recipe
        with self.torch._C._DisableTorchDispatch():
            empty = self.torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        return self.FakeTensor(mode, empty, device)
