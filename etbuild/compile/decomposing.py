"""A patch for the pinned PyTorch: a program is decomposed in its graph where each composite in it is one operator.

It has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from etbuild.compile.pass_patches import NAMESPACES, is_known
from etbuild.compile.patches import replaced
from etbuild.compile.traced_inputs import has_inputs_of_trace

# Of torch.export.exported_program._decompose_and_get_gm_with_new_signature_constants.
SOURCE_OF_DECOMPOSE = "93ddd4ba4ed9f3fe"

# In the history of a traced node.
_TRACED_BY, _TRACED_FROM = "Interpreter_PropagateUnbackedSymInts", "ExportedProgram.module()"


class _NotSimpleError(Exception):
    """The program has to be traced."""


@contextmanager
def fewer_decompositions() -> Iterator[None]:
    """Inside this context a program is traced to decompose it only if that would change more than single operators.

    ExecuTorch traces each program three times: to remove in-place operators, then operators that no backend wants to
    preserve, then operators that were preserved in vain. Mostly there are none, or some that another name stands for,
    as aten.convolution for aten.conv2d; a trace calls every operator in three modes of PyTorch.

    Replaces: torch.export.ExportedProgram.run_decompositions.
    Source:   SOURCE_OF_DECOMPOSE: for another text only a program without anything to decompose is not traced.
    Saves:    half of lowering.
    Same:     a trace that finds nothing to decompose reproduces the program: `_is_unchanged` has the conditions. Else
              the new graph has the nodes of the trace with their names and metadata, and `_Decomposition` has the
              conditions. Programs of symbolic shapes, and those whose inputs a trace would order anew, are traced.
    Delete:   when PyTorch traces what it decomposes, and nothing else.
    """
    from torch.export import ExportedProgram, exported_program

    original = ExportedProgram.run_decompositions
    known = is_known(exported_program._decompose_and_get_gm_with_new_signature_constants, SOURCE_OF_DECOMPOSE)

    def run_decompositions(self: Any, decomp_table: Any = None, **options: Any) -> Any:
        # With symbolic shapes each trace may add operators that assert their ranges.
        if decomp_table is None or options or self.range_constraints:
            return original(self, decomp_table, **options)
        table = dict(decomp_table)
        if has_inputs_of_trace(self):
            if _is_unchanged(self, table):
                return self
            with suppress(_NotSimpleError):
                if known:
                    return _Decomposition(self, table).program()
        return original(self, table)

    with replaced(ExportedProgram, "run_decompositions", run_decompositions):
        yield


def _is_unchanged(program: Any, table: Mapping[Any, Any]) -> bool:
    """Whether a trace with this decomposition table would give the same operators.

    So it is if no operator works in place, is in the table, or is a composite that PyTorch always decomposes. With an
    empty table such composites may wait for the next trace.
    """
    import torch
    from torch._export import utils

    if program.graph_signature.user_inputs_to_mutate:  # Each trace adds a copy into the input.
        return False
    preservable = utils._collect_all_valid_cia_ops()
    for node in program.graph.nodes:
        op = node.target
        if node.op in ("placeholder", "output") or op is operator.getitem:
            continue
        if not isinstance(op, torch._ops.OpOverload) or op._schema.is_mutable or op in table:
            return False
        if table and utils._is_cia_op(op) and op not in preservable:
            return False
    return True


class _Copy:
    """A graph that is made of another one, node by node.

    of: the new node of each old one; of one that is several, the one with its result.
    """

    def __init__(self) -> None:
        import torch

        self.graph = torch.fx.Graph()
        self.of: dict[Any, Any] = {}

    def placeholder(self, old: Any) -> Any:
        """It gets its name when all others have theirs, as in a trace."""
        new = self.graph.placeholder(f"arg{len(self.of)}_1")
        new.meta = copy.copy(old.meta)
        return new

    def output(self, old: Any) -> Any:
        results = [self.of.get(node) for node in old.args[0]]
        if any(one is None or one.op == "placeholder" for one in results):
            raise _NotSimpleError
        new = self.graph.output(tuple(results))
        new.meta = copy.copy(old.meta)
        return new

    def same(self, old: Any) -> Any:
        """A node with the old one's operator."""
        import torch

        args, kwargs = torch.fx.map_arg((old.args, old.kwargs), self.of.__getitem__)
        return self.call(old, old.target, args, kwargs)

    def call(self, old: Any, target: Any, args: Any, kwargs: Any = None, values: Any = None) -> Any:
        """A node in place of an old one. values: its fake tensors, where they are not the old one's single one."""
        import torch
        from torch.fx.passes.shape_prop import _extract_tensor_metadata
        from torch.fx.proxy import _COPY_META_FIELDS
        from torch.fx.traceback import NodeSource, NodeSourceAction

        value = old.meta.get("val")
        # An operator with several results gets a node for each in a trace, whether or not it is used.
        if values is None and not isinstance(value, torch.Tensor):
            raise _NotSimpleError
        name = target.__name__ if target is operator.getitem else target.overloadpacket.__name__
        new = self.graph.create_node("call_function", target, args, kwargs or {}, self.graph._target_to_str(name))
        kept = {name: copy.copy(old.meta[name]) for name in _COPY_META_FIELDS if name in old.meta}
        source = NodeSource(old, _TRACED_BY, NodeSourceAction.CREATE)
        source.from_node = [NodeSource(old, _TRACED_FROM, NodeSourceAction.CREATE)]
        new.meta = {**kept, "from_node": [source], "original_aten": target, "seq_nr": -1}
        if "stack_trace" in old.meta:
            new.meta["stack_trace"] = old.meta["stack_trace"]
        if values is None:
            new.meta |= {"val": value, "tensor_meta": _extract_tensor_metadata(value)}
        else:
            new.meta["val"] = values
        return new

    def rename_placeholders(self) -> None:
        renamed = {new: old.name for old, new in self.of.items() if old.op == "placeholder"}
        names = set(renamed.values())
        if any(node.name in names for node in self.graph.nodes if node.op != "placeholder"):
            raise _NotSimpleError
        for new, name in renamed.items():
            # As PyTorch does: a graph's own renaming changes names that Python knows, such as `input`.
            new.name = new.target = name


class _Decomposition:
    """A program with a graph that is made anew.

    All its operators are of NAMESPACES, change no argument, have one result, and are not decomposed, or are of
    `_methods`. It changes no input and no buffer, its constants are buffers, and all shapes are static.
    """

    def __init__(self, old: Any, table: Mapping[Any, Any]) -> None:
        from torch._export import utils

        self._old, self._table, self._is_composite = old, table, utils._is_cia_op
        self._preserved = utils._collect_all_valid_cia_ops()
        self._copy, self._methods, self._aliasing = _Copy(), _methods(), _aliasing()

    def program(self) -> Any:
        """raises: _NotSimpleError."""
        import torch
        from torch.export import ExportedProgram, exported_program

        new, old = self._copy, self._old
        signature = old.graph_signature
        self._check(signature)
        for node in old.graph.nodes:
            new.of[node] = self._copied(node)
        new.rename_placeholders()
        new.graph.eliminate_dead_code()
        module = torch.fx.GraphModule(old.graph_module, new.graph)
        module.meta.update(old.graph_module.meta)
        made = self._signature()
        calls = exported_program._get_updated_module_call_graph(
            old.graph_module, signature, module, made, old.module_call_graph
        )
        return ExportedProgram(
            root=module,
            graph=new.graph,
            graph_signature=made,
            state_dict=old.state_dict,
            range_constraints={},
            module_call_graph=calls,
            example_inputs=old.example_inputs,
            constants=old.constants,
        )

    def _check(self, signature: Any) -> None:
        from torch.export.graph_signature import InputKind, OutputKind, TensorArgument

        if signature.backward_signature or {one.kind for one in signature.output_specs} != {OutputKind.USER_OUTPUT}:
            raise _NotSimpleError
        # A trace may give parameters and constants another order, and adds ranges for the sizes of inputs with gaps.
        if {one.kind for one in signature.input_specs} - {InputKind.BUFFER, InputKind.USER_INPUT}:
            raise _NotSimpleError
        placeholders = [node for node in self._old.graph.nodes if node.op == "placeholder"]
        if not all(_is_contiguous(node.meta.get("val")) for node in placeholders):
            raise _NotSimpleError
        if not all(isinstance(one.arg, TensorArgument) for one in signature.output_specs):
            raise _NotSimpleError

    def _copied(self, old: Any) -> Any:
        if old.op == "placeholder":
            return self._copy.placeholder(old)
        if old.op == "output":
            return self._copy.output(old)
        if old.op != "call_function":
            raise _NotSimpleError
        return self._operator(old)

    def _operator(self, old: Any) -> Any:
        import torch

        target = old.target
        if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
            raise _NotSimpleError
        if target.namespace not in NAMESPACES or target in self._aliasing:
            raise _NotSimpleError
        if not self._is_decomposed(target):
            return self._copy.same(old)
        method, own = self._methods.get(target, (None, None))
        if method is None or old.kwargs or not _has_plain_values(old) or self._is_decomposed(own):
            raise _NotSimpleError
        return method(self._copy, old, own)

    def _is_decomposed(self, target: Any) -> bool:
        if target in self._table:
            decompose = self._table[target]
            own = getattr(getattr(decompose, "func", None), "__name__", "") == "_special_op_to_decompose_cia"
            if not own or decompose.keywords.get("kernel") is not target:
                raise _NotSimpleError
            return True
        return bool(self._table) and self._is_composite(target) and target not in self._preserved

    def _signature(self) -> Any:
        from torch.export.graph_signature import ExportGraphSignature, OutputSpec, TensorArgument

        old, results = self._old.graph_signature, self._copy.graph.output_node().args[0]
        outputs = [
            OutputSpec(one.kind, TensorArgument(name=node.name), one.target)
            for one, node in zip(old.output_specs, results, strict=True)
        ]
        return ExportGraphSignature(input_specs=copy.deepcopy(old.input_specs), output_specs=outputs)


def _has_plain_values(old: Any) -> bool:
    """Whether its result, and each tensor among its arguments, is a static, contiguous tensor of real numbers."""
    values = [node.meta.get("val") for node in (old, *old.all_input_nodes)]
    return all(_is_contiguous(one) and one.dtype.is_floating_point for one in values)


def _is_contiguous(value: Any) -> bool:
    """Whether it is a static fake tensor without gaps and gradients."""
    from torch._prims_common import make_contiguous_strides_for

    if not hasattr(value, "_has_symbolic_sizes_strides") or value._has_symbolic_sizes_strides or value.requires_grad:
        return False
    # PyTorch calls it contiguous too where a dimension of size 1 has another stride.
    return tuple(value.stride()) == tuple(make_contiguous_strides_for(value.shape))


def _aliasing() -> frozenset[Any]:
    """Operators for whose results a trace adds an alias."""
    import torch

    aten = torch.ops.aten
    return frozenset({aten.alias.default, aten.detach.default, aten.lift_fresh.default, aten.view.dtype})


def _methods() -> dict[Any, tuple[Callable[[_Copy, Any, Any], Any], Any]]:
    """By composite operator, the function that makes its node, and the operator that it stands for."""
    import torch

    aten = torch.ops.aten
    return {
        aten.conv1d.default: (functools.partial(_convolution, 1), aten.convolution.default),
        aten.conv2d.default: (functools.partial(_convolution, 2), aten.convolution.default),
        aten.max_pool2d.default: (_max_pool, aten.max_pool2d_with_indices.default),
        aten.reshape.default: (_view, aten.view.default),
        aten.flatten.using_ints: (_view, aten.view.default),
        aten.dropout.default: (_dropout, aten.clone.default),
    }


def _convolution(dimensions: int, made: _Copy, old: Any, target: Any) -> Any:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = dict(zip(names, old.args, strict=False))
    if given["input"].meta["val"].dim() != dimensions + 2:
        raise _NotSimpleError
    # A list that was given stays as it is, [2] too.
    sizes = [given.get(name, [value] * dimensions) for name, value in (("stride", 1), ("padding", 0), ("dilation", 1))]
    if any(isinstance(one, int) for one in sizes):
        raise _NotSimpleError
    tensors = [made.of.get(given.get(name)) for name in ("input", "weight", "bias")]
    rest = False, [0] * dimensions, given.get("groups", 1)
    return made.call(old, target, (*tensors, *map(list, sizes), *rest))


def _max_pool(made: _Copy, old: Any, target: Any) -> Any:
    with old.meta["val"].fake_mode:
        values = target(old.args[0].meta["val"], *old.args[1:])
    both = made.call(old, target, (made.of[old.args[0]], *old.args[1:]), values=values)
    largest = made.call(old, operator.getitem, (both, 0))
    # The indices, which nobody reads, have had a name.
    made.call(old, operator.getitem, (both, 1))
    largest.meta["original_aten"] = target
    return largest


def _view(made: _Copy, old: Any, target: Any) -> Any:
    value, result, is_reshape = old.args[0].meta["val"], old.meta["val"], len(old.target._schema.arguments) == 2
    if value.dim() == 0 or (not is_reshape and value.dim() == result.dim()):
        raise _NotSimpleError
    shape = old.args[1] if is_reshape else result.shape
    return made.call(old, target, (made.of[old.args[0]], list(shape)))


def _dropout(made: _Copy, old: Any, target: Any) -> Any:
    if old.args[2]:
        raise _NotSimpleError
    return made.call(old, target, (made.of[old.args[0]],))
