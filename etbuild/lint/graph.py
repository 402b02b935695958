"""What the rules ask of a tagged graph: operators without their quantisation, shapes, modules, scales.

It judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etbuild.compile.exported_program import module_path, source_line
from etbuild.lint.finding import Json
from etbuild.lint.part import Part


@dataclass(frozen=True)
class Subject:
    """What is linted: one profile of a recipe.

    profile:   of the recipe's NPUs.
    parts:     the variants of this profile, in the recipe's order; patches are measured on the first.
    program:   an ExportedProgram, tagged by the partitioner.
    operators: as partition.json has them.
    source:    the model's file, and its text; None for a model without one.
    entry:     the factory in it; "" for ModelUnderTest.
    recipe:    the recipe's own file, and its text.
    io:        the recipe's quantize.io.
    rules:     the recipe's rewrite.rules.
    """

    profile: str
    parts: tuple[Part, ...]
    program: Any
    operators: list[Json]
    recipe: tuple[str, str]
    source: tuple[str, str] | None = None
    entry: str = ""
    io: str = "float32"
    rules: tuple[str, ...] = ()

    @property
    def graph(self) -> Any:
        """The program's torch.fx.GraphModule."""
        return self.program.graph_module

    def nodes(self, *names: str) -> Iterator[Any]:
        """The nodes that call one of these operators, named without overload: "convolution"."""
        for node in self.graph.graph.nodes:
            if operator_of(node) in names:
                yield node


def operator_of(node: Any) -> str:
    """The operator's name without namespace and overload; "" for a node that calls none."""
    if node.op != "call_function":
        return ""
    target = str(getattr(node.target, "_op", None) or node.target)
    return target.partition(".")[2].partition(".")[0] if "." in target else ""


def is_quantisation(node: Any) -> bool:
    return "quantize_per" in operator_of(node)


def producer(node: Any) -> Any:
    """The node whose value this is, behind quantize and dequantize nodes."""
    while is_quantisation(node):
        node = node.args[0]
    return node


def origin(node: Any) -> Any:
    """The node that computes the value, behind views and changes of shape too."""
    made = producer(node)
    while operator_of(made) in ("view_copy", "unsqueeze_copy", "squeeze_copy", "expand_copy"):
        made = producer(made.args[0])
    return made


def readers(node: Any) -> list[Any]:
    """The nodes that read a value, behind quantize and dequantize nodes."""
    found = []
    for user in node.users:
        found += readers(user) if is_quantisation(user) else [user]
    return found


def shape(node: Any) -> tuple[int, ...]:
    """Of the node's value; () for what is no tensor, and for sizes that are not fixed."""
    value = node.meta.get("val")
    sizes = tuple(getattr(value, "shape", ()))
    return sizes if all(isinstance(size, int) for size in sizes) else ()


def scale(node: Any) -> float | None:
    """The scale of a value that a dequantize node gives; None for any other."""
    if operator_of(node) == "dequantize_per_tensor" and isinstance(node.args[1], float):
        return float(node.args[1])
    return None


def constant(program: Any, node: Any) -> Any:
    """The parameter, buffer or constant that a placeholder stands for; None for an input and any other node."""
    signature = program.graph_signature
    tables = (signature.inputs_to_parameters, signature.inputs_to_buffers)
    name = next((table[node.name] for table in tables if node.name in table), None)
    if name is not None:
        found = program.state_dict.get(name)
        return program.constants.get(name) if found is None else found
    return program.constants.get(signature.inputs_to_lifted_tensor_constants.get(node.name))


def line_of(node: Any) -> str | None:
    return source_line(node.meta.get("stack_trace"))


def module_of(node: Any) -> tuple[str, str]:
    """Path and class of the innermost module that a node is in; ("", "") for the model itself."""
    found = [(module_path(path), str(of)) for path, of in (node.meta.get("nn_module_stack") or {}).values()]
    path, of = found[-1] if found else ("", "")
    return (path, of.rpartition(".")[2]) if path else ("", "")


def is_called_once(graph: Any, path: str) -> bool:
    """Whether the module's operators are in the graph for one call: two calls have keys that end with @1, @2."""
    keys = {
        key
        for node in graph.graph.nodes
        for key, (name, _) in (node.meta.get("nn_module_stack") or {}).items()
        if module_path(name) == path
    }
    return len(keys) == 1


def file_name(line: str) -> str:
    """ "models/net.py" of "models/net.py:12"."""
    return Path(line.rpartition(":")[0]).as_posix()
