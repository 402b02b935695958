"""The states of an exported program: buffers that it changes, such as a cache of keys and values.

For quantisation a program is opened: its states become inputs and outputs, so that they are observed like any other
tensor and nothing takes them for constants. Afterwards it is closed: they are buffers again, stored as the integers
that the program computes with. Nothing is quantised here.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from etbuild.errors import StepError

QUANTIZE = "quantized_decomposed.quantize_per_tensor.default"
DEQUANTIZE = "quantized_decomposed.dequantize_per_tensor.default"


class State(NamedTuple):
    """A buffer that the program changes.

    name:  its dotted name in the model.
    input: the name of its placeholder, and of the input of the opened program.
    value: what it begins with.
    """

    name: str
    input: str
    value: Any


@dataclass(frozen=True)
class _Border:
    """The inputs and outputs of a program: specs, structures, example inputs."""

    inputs: list[Any]
    outputs: list[Any]
    in_spec: Any
    out_spec: Any
    example: tuple[Any, Any]


def functional(program: Any) -> Any:
    """The program with its changes of buffers as outputs, where it changes any; else the program itself.

    source: torch.export, whose programs change buffers in place until they are decomposed.
    """
    signature = program.graph_signature
    if signature.buffers_to_mutate or not _written(program) & signature.inputs_to_buffers.keys():
        return program
    made = program.run_decompositions({})
    _without_copies(made.graph)
    return made


def changed_constants(program: Any) -> list[str]:
    """The dotted names of parameters and of tensors that are no buffers, which the program changes.

    ExecuTorch keeps the first value of both.
    """
    signature, written = program.graph_signature, _written(program)
    tensors = signature.inputs_to_lifted_tensor_constants
    if found := sorted(tensors[name] for name in written & tensors.keys()):
        return found
    if not written & signature.inputs_to_parameters.keys():
        return []
    return sorted(program.run_decompositions({}).graph_signature.parameters_to_mutate.values())


def require_states(name: str, program: Any, lowered: Any) -> None:
    """raises: StepError for a buffer that the program changes and the lowered one does not."""
    kept = set(lowered.graph_signature.buffers_to_mutate.values())
    lost = [state.name for state in states_of(functional(program)) if state.name not in kept]
    if lost:
        raise StepError(
            f"{name}: got a program that does not change the buffer {lost[0]}, which the model changes\n"
            "    make it an input and an output of the model, and keep it in the application"
        )


def states_of(program: Any) -> tuple[State, ...]:
    """Those of a functional program, in the order of its inputs."""
    signature = program.graph_signature
    changed = set(signature.buffers_to_mutate.values())
    return tuple(
        State(spec.target, spec.arg.name, _value(program, spec.target))
        for spec in signature.input_specs
        if spec.target in changed and spec.arg.name in signature.inputs_to_buffers
    )


def opened(program: Any) -> tuple[Any, tuple[State, ...]]:
    """The program with each state as a further keyword input, and what they become in a tuple before its outputs:
    ((state, ...), outputs). A program that keeps no state is itself."""
    program = functional(program)
    states = states_of(program)
    return (_opened(program, states) if states else program), states


def _opened(program: Any, states: Sequence[State]) -> Any:
    from torch.export.graph_signature import InputKind, InputSpec, OutputKind, OutputSpec
    from torch.utils import _pytree as pytree

    names, old = [state.input for state in states], program.graph_signature
    kept = [spec for spec in old.input_specs if spec.arg.name not in names]
    moved = [spec for spec in old.input_specs if spec.arg.name in names]
    inputs = [*kept, *(InputSpec(InputKind.USER_INPUT, spec.arg, None) for spec in moved)]
    changed = {spec.target: spec for spec in old.output_specs if spec.kind == OutputKind.BUFFER_MUTATION}
    first = [changed[state.name] for state in states]
    others = [spec for spec in old.output_specs if spec not in first]
    call = program.module_call_graph[0].signature
    arguments, keywords = call.in_spec.children()
    leaf = pytree.tree_structure(0)
    every = pytree.TreeSpec(dict, [*(keywords.context or ()), *names], [*keywords.children(), *[leaf] * len(names)])
    positional, named = program.example_inputs
    border = _Border(
        inputs,
        [*(OutputSpec(OutputKind.USER_OUTPUT, spec.arg, None) for spec in first), *others],
        pytree.TreeSpec(tuple, None, [arguments, every]),
        pytree.TreeSpec(tuple, None, [pytree.TreeSpec(tuple, None, [leaf] * len(names)), call.out_spec]),
        (positional, {**named, **{state.input: state.value.clone() for state in states}}),
    )
    return _program(program, copy.deepcopy(program.graph_module), border, {state.name: None for state in states})


def closed(program: Any, states: Sequence[State]) -> Any:
    """The quantised form of an opened program with its states as buffers again.

    A state that becomes a dequantised value is stored as those integers, if they can hold what it begins with.
    """
    if not states:
        return program
    from torch.export.graph_signature import InputKind, InputSpec, OutputKind, OutputSpec
    from torch.utils import _pytree as pytree

    module, names = copy.deepcopy(program.graph_module), [state.input for state in states]
    stored = {state.name: _store(module.graph, index, state) for index, state in enumerate(states)}
    old = program.graph_signature
    by_name = {spec.arg.name: spec for spec in old.input_specs}
    first_input = next(i for i, spec in enumerate(old.input_specs) if spec.kind == InputKind.USER_INPUT)
    buffers = [InputSpec(InputKind.BUFFER, by_name[state.input].arg, state.name, True) for state in states]
    rest = [spec for spec in old.input_specs[first_input:] if spec.arg.name not in names]
    call = program.module_call_graph[0].signature
    arguments, keywords = call.in_spec.children()
    kept = [(key, spec) for key, spec in zip(keywords.context, keywords.children(), strict=True) if key not in names]
    every = pytree.TreeSpec(dict, [key for key, _ in kept], [spec for _, spec in kept])
    count = len(states)
    made = module.graph.output_node().args[0][:count]
    changes = [
        OutputSpec(OutputKind.BUFFER_MUTATION, type(spec.arg)(name=node.name), state.name)
        for spec, node, state in zip(old.output_specs, made, states, strict=False)
    ]
    positional, named = program.example_inputs
    border = _Border(
        [*old.input_specs[:first_input], *buffers, *rest],
        [*changes, *old.output_specs[count:]],
        pytree.TreeSpec(tuple, None, [arguments, every]),
        call.out_spec.children()[1],
        (positional, {key: value for key, value in named.items() if key not in names}),
    )
    return _program(program, module, border, stored)


def _program(program: Any, module: Any, border: _Border, values: dict[str, Any]) -> Any:
    """The program with another border. module: its graph, which is changed. values: states to add, None to remove."""
    from torch.export import ExportedProgram
    from torch.export.exported_program import ModuleCallEntry, ModuleCallSignature
    from torch.export.graph_signature import ExportGraphSignature

    graph, nodes = module.graph, {node.name: node for node in module.graph.nodes}
    first = next(node for node in graph.nodes if node.op != "placeholder")
    for spec in border.inputs:
        first.prepend(nodes[spec.arg.name])
    flat_keywords = border.in_spec.children()[1].context
    old = program.module_call_graph[0].signature
    positional = (old.forward_arg_names or [])[: len(border.in_spec.children()[0].children())]
    signature = ModuleCallSignature([], [], border.in_spec, border.out_spec, [*positional, *flat_keywords])
    state_dict = {name: value for name, value in program.state_dict.items() if name not in values}
    constants = {name: value for name, value in program.constants.items() if name not in values}
    module.recompile()
    return ExportedProgram(
        root=module,
        graph=graph,
        graph_signature=ExportGraphSignature(border.inputs, border.outputs),
        state_dict={**state_dict, **{name: value for name, value in values.items() if value is not None}},
        range_constraints=program.range_constraints,
        module_call_graph=[ModuleCallEntry("", signature), *program.module_call_graph[1:]],
        example_inputs=border.example,
        constants=constants,
        verifiers=program.verifiers,
    )


def _store(graph: Any, index: int, state: State) -> Any:
    """Make the state's input and output those of its buffer; the value that the buffer begins with."""
    node = next(one for one in graph.nodes if one.op == "placeholder" and one.name == state.input)
    output = graph.output_node()
    new = output.args[0][index]
    if not state.value.dtype.is_floating_point:
        return _store_integers(graph, index, node, state.value)
    params = _params(node, new)
    if params is None or not _holds(params, state.value):
        return state.value
    import torch

    wide = node.meta["val"]
    node.meta["val"] = wide.to(params[-1])
    with graph.inserting_before(next(one for one in graph.nodes if one.op != "placeholder")):
        read = graph.call_function(torch.ops.quantized_decomposed.dequantize_per_tensor.default, (node, *params))
    read.meta["val"] = wide
    node.replace_all_uses_with(read, delete_user_cb=lambda user: user is not read)
    for user in [user for user in read.users if _is(user, QUANTIZE) and user.args[1:] == params]:
        user.replace_all_uses_with(node)
        graph.erase_node(user)
    if _is(new, DEQUANTIZE) and new.args[1:] == params:
        written = new.args[0]
    else:
        with graph.inserting_before(output):
            written = graph.call_function(torch.ops.quantized_decomposed.quantize_per_tensor.default, (new, *params))
        written.meta["val"] = node.meta["val"]
    _set_output(output, index, written)
    graph.eliminate_dead_code()
    return torch.ops.quantized_decomposed.quantize_per_tensor(state.value, *params)


def _store_integers(graph: Any, index: int, node: Any, value: Any) -> Any:
    """As `_store`, of integers: ExecuTorch's quantiser casts inputs of 64 bits to 32, and computes with these."""
    import torch

    output = graph.output_node()
    casts = [user for user in node.users if user.kwargs.get("dtype") is torch.int32]
    if value.dtype is not torch.int64 or len(casts) < len(node.users) or not _fits(value):
        return value
    node.meta["val"] = node.meta["val"].to(torch.int32)
    for user in casts:
        user.replace_all_uses_with(node)
        graph.erase_node(user)
    new = output.args[0][index]
    if new.meta["val"].dtype is not torch.int32:
        with graph.inserting_before(output):
            cast = graph.call_function(torch.ops.aten._to_copy.default, (new,), {"dtype": torch.int32})
        cast.meta["val"] = new.meta["val"].to(torch.int32)
        _set_output(output, index, cast)
    return value.to(torch.int32)


def _fits(value: Any) -> bool:
    return bool((value.int() == value).all())


def _set_output(output: Any, index: int, node: Any) -> None:
    output.args = ((*output.args[0][:index], node, *output.args[0][index + 1 :]),)


def _params(node: Any, new: Any) -> tuple[Any, ...] | None:
    """Scale, zero point, range and type that a state is stored with; None when it stays as it is.

    node: its value before the call. new: its value after.
    """
    if not _is(new, DEQUANTIZE):
        return None
    readers = {tuple(user.args[1:]) for user in node.users if _is(user, QUANTIZE)}
    return readers.pop() if len(readers) == 1 else tuple(new.args[1:])


def _holds(params: tuple[Any, ...], value: Any) -> bool:
    """Whether these integers can be this value but for rounding."""
    import torch

    there = torch.ops.quantized_decomposed.quantize_per_tensor(value, *params)
    back = torch.ops.quantized_decomposed.dequantize_per_tensor(there, *params)
    return bool(((back - value).abs() <= params[0] * 0.5001).all())


def _without_copies(graph: Any) -> None:
    """What is written to the whole of a view in place is, as an output, that value itself."""
    import torch

    for node in list(graph.nodes):
        if node.target is not torch.ops.aten.copy.default:
            continue
        old, new = (argument.meta["val"] for argument in node.args[:2])
        if (old.shape, old.dtype) == (new.shape, new.dtype):
            node.replace_all_uses_with(node.args[1])
            graph.erase_node(node)
    graph.eliminate_dead_code()


def _is(node: Any, operator: str) -> bool:
    return str(getattr(node, "target", "")) == operator


def _value(program: Any, name: str) -> Any:
    return program.state_dict[name] if name in program.state_dict else program.constants[name]


def _written(program: Any) -> set[str]:
    """The names of the inputs to which operators may write in place, themselves or through views."""
    return {_viewed(node).name for node in program.graph.nodes if getattr(_schema(node), "is_mutable", False)}


def _viewed(node: Any) -> Any:
    """What an operator writes to, or what a view of it is of."""
    while (schema := _schema(node)) is not None and schema.arguments and schema.arguments[0].alias_info is not None:
        node = node.args[0]
    return node


def _schema(node: Any) -> Any:
    return getattr(node.target, "_schema", None) if node.op == "call_function" else None
