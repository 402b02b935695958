"""Runs the passes that a recipe names on a program, and refuses what a pass may not do to it.

A pass may change operators, constants and numbers. It may not change the model's inputs and outputs, nor leave a graph
that ExecuTorch cannot go on with. Each pass runs in ExecuTorch's own ExportedProgramPassManager.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.compile.compiler_failure import explained
from etbuild.compile.inputs import described, kind
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.partition import PartitionRecord
    from etbuild.compile.tracked_code import UserCode
    from etbuild.recipe.program_sections import Pass


class Passes:
    """The passes of a recipe that one step runs, each made when it is first asked for.

    passes: in the order of the recipe.
    """

    def __init__(self, passes: Sequence[Pass], code: UserCode) -> None:
        self._passes = tuple(passes)
        self._code = code

    def at(self, point: str) -> list[Any]:
        """The passes for one point of the chain, as ExecuTorch's functions take them; errors in them are StepErrors
        that name the pass and the point."""
        return [_checked(one, self._made(one), self._code) for one in self._passes if one.at == point]

    def apply(self, program: Any, point: str) -> Any:
        """An ExportedProgram after the passes for one point.

        raises: StepError.
        """
        from executorch.exir.program._program import _transform

        for one in self.at(point):
            with explained(f"passes: {point}", program):
                program = _transform(program, one)
        return program

    def on_graphs(self, point: str, record: PartitionRecord) -> list[Callable[[Any], Any]]:
        """The passes for a point at which ExecuTorch runs them on the graph of a method, without its program; checked
        as those of `at`. record: gets what they add and remove.

        raises: StepError for a pass that wants the program.
        """
        return [_checked_on_graph(one, self._made(one), self._code, record) for one in self._passes if one.at == point]

    def _made(self, one: Pass) -> Any:
        return self._code.made(one.source, one.entry, f"passes: {one.entry} at {one.at}")


class _Ports(NamedTuple):
    """The types of the model's inputs and outputs: "float32 [1, 3]", or that of what is no tensor.

    placeholders: how many the graph has, for weights and inputs.
    """

    placeholders: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _checked(one: Pass, made: Any, code: UserCode) -> Any:
    """An ExportedProgramPassBase that runs the user's pass and checks what it left."""
    from executorch.exir.pass_base import ExportedProgramPassBase, ExportedProgramPassResult
    from executorch.exir.pass_manager import ExportedProgramPassManager
    from torch.fx.passes.infra.pass_base import PassResult

    is_of_program = isinstance(made, ExportedProgramPassBase)
    wanted: Any = ExportedProgramPassResult if is_of_program else PassResult

    class Checked(ExportedProgramPassBase):  # type: ignore[misc]  # ExecuTorch's classes are untyped
        def call(self, exported_program: Any) -> Any:
            before = _ports(exported_program.graph, exported_program.graph_signature)
            untyped = _untyped(exported_program.graph)
            signature = exported_program.graph_signature

            def called(argument: Any) -> Any:
                with code.running(one.title):
                    result = made(argument)
                if not isinstance(result, wanted):
                    raise StepError(f"{one.title}: got {kind(result)}, wanted a {wanted.__name__}")
                if not is_of_program:
                    _check_types(one, result.graph_module.graph, untyped)
                    _check_ports(one, before, _ports(result.graph_module.graph, signature))
                return result

            result = called(exported_program) if is_of_program else _managed(one, called, exported_program)
            program = result.exported_program
            _check_types(one, program.graph, untyped)
            _check_ports(one, before, _ports(program.graph, program.graph_signature), is_of_program)
            _check_graph(one, program.graph_module)
            return result

    def _managed(one: Pass, called: Any, program: Any) -> Any:
        try:
            return ExportedProgramPassManager([called])(program)
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(cause, StepError):
                raise cause from None
            raise _invalid(one, cause) from error

    return Checked()


def _checked_on_graph(one: Pass, made: Any, code: UserCode, record: PartitionRecord) -> Callable[[Any], Any]:
    """A function from GraphModule to PassResult that runs the user's pass and checks what it left."""
    from executorch.exir.pass_base import ExportedProgramPassBase
    from torch.fx.passes.infra.pass_base import PassResult

    if isinstance(made, ExportedProgramPassBase):
        raise StepError(
            f"{one.title}: got an ExportedProgramPassBase, wanted an ExportPass or a function of a GraphModule\n"
            "    at executorch there is no ExportedProgram; at backend a pass gets it"
        )

    def checked(graph_module: Any) -> Any:
        before, untyped = _ports_of_graph(graph_module.graph), _untyped(graph_module.graph)
        operators = record.around_delegates(graph_module)
        with code.running(one.title):
            result = made(graph_module)
        if not isinstance(result, PassResult):
            raise StepError(f"{one.title}: got {kind(result)}, wanted a {PassResult.__name__}")
        after = result.graph_module
        _check_types(one, after.graph, untyped)
        _check_ports(one, before, _ports_of_graph(after.graph))
        _check_graph(one, after)
        record.add_changes(operators, record.around_delegates(after))
        return result

    return checked


def _check_graph(one: Pass, graph_module: Any) -> None:
    """raises: StepError for a graph that is inconsistent."""
    try:
        graph_module.recompile()
        graph_module.graph.lint()
    except Exception as error:
        raise _invalid(one, error) from error


def _check_types(one: Pass, graph: Any, untyped: set[str]) -> None:
    """raises: StepError for a new node without its type. untyped: the names of nodes that had none before."""
    new = sorted(_untyped(graph) - untyped)
    if new:
        raise StepError(
            f'{one.title}: got node {new[0]} without meta["val"], its type and shape\n'
            "    an ExportPass sets it; else copy the meta of the node that it replaces"
        )


def _invalid(one: Pass, error: BaseException) -> StepError:
    return StepError(f"{one.title}: got an invalid graph, {described(error)}")


def _untyped(graph: Any) -> set[str]:
    """The names of the nodes that call an operator and do not have the type of their result."""
    return {node.name for node in graph.nodes if node.op == "call_function" and "val" not in node.meta}


def _ports(graph: Any, signature: Any) -> _Ports:
    """The model's inputs and outputs in a graph with the parameters, buffers and mutations of a signature.

    Where the graph has another number of results, all of them.
    """
    from torch.export.graph_signature import InputKind, OutputKind

    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    outputs = list(graph.output_node().args[0])
    kinds = [spec.kind for spec in signature.input_specs]
    inputs = [node for node, of in zip(placeholders, kinds, strict=False) if of == InputKind.USER_INPUT]
    if len(outputs) == len(signature.output_specs):
        kinds = [spec.kind for spec in signature.output_specs]
        outputs = [node for node, of in zip(outputs, kinds, strict=True) if of == OutputKind.USER_OUTPUT]
    return _Ports(len(placeholders), tuple(map(_type, inputs)), tuple(map(_type, outputs)))


def _ports_of_graph(graph: Any) -> _Ports:
    """All inputs and outputs of a graph; among the outputs are the new values of the model's buffers."""
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    inputs, outputs = map(_type, placeholders), map(_type, graph.output_node().args[0])
    return _Ports(len(placeholders), tuple(inputs), tuple(outputs))


def _type(node: Any) -> str:
    import torch

    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else node
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} [{', '.join(map(str, value.shape))}]"


def _check_ports(one: Pass, before: _Ports, after: _Ports, is_of_program: bool = False) -> None:
    """raises: StepError when an input or output of the model is another one.

    is_of_program: whether the pass may change the weights, as one that gets the whole program.
    """
    remedy = "a pass may not change the model's inputs and outputs: its vectors and its callers have these"
    if not is_of_program and before.placeholders != after.placeholders:
        got = f"{after.placeholders} placeholders (weights and inputs), wanted {before.placeholders} as before"
        raise StepError(
            f"{one.title}: got {got}\n    an ExportedProgramPassBase can change weights, with the signature"
        )
    for side in ("inputs", "outputs"):
        was, now = getattr(before, side), getattr(after, side)
        if len(was) != len(now):
            raise StepError(f"{one.title}: got {len(now)} {side}, wanted {len(was)} as before\n    {remedy}")
        for number, (old, new) in enumerate(zip(was, now, strict=True)):
            if old != new:
                name = f"{side.removesuffix('s')} {number}"
                raise StepError(f"{one.title}: got {name} of {new}, wanted {old} as before\n    {remedy}")
