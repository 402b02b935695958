"""Whether PyTorch would leave the inputs of an exported program as they are, if it traced the program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any


def has_inputs_of_trace(program: Any) -> bool:
    """Whether a trace gives them the order and the names that they have.

    A trace makes a module of the program, and takes the parameters of that, its buffers with the constants, and the
    user's inputs, each with the name that follows from the module's.

    source: torch.export._unlift._register_attrs_to_new_gm, torch._export.utils.placeholder_naming_pass.
    """
    from torch.export.graph_signature import InputKind

    specs = program.graph_signature.input_specs
    names = [node.name for node in program.graph.nodes if node.op == "placeholder"]
    if names != [getattr(spec.arg, "name", None) for spec in specs]:
        return False
    prefixes = {InputKind.PARAMETER: "p_", InputKind.BUFFER: "b_", InputKind.CONSTANT_TENSOR: "c_"}
    of_kind: dict[Any, list[Any]] = {kind: [] for kind in prefixes}
    for spec in specs:
        if spec.kind in prefixes:
            of_kind[spec.kind].append(spec)
        elif spec.kind != InputKind.USER_INPUT:
            return False
    if any(spec.persistent is not None for spec in of_kind[InputKind.CONSTANT_TENSOR]):
        return False
    parameters, buffers, constants = of_kind.values()
    expected = _in_order(parameters, buffers, constants)
    if [spec.target for spec in specs[: len(expected)]] != expected:
        return False
    return all(spec.arg.name == prefixes[kind] + _plain(spec.target) for kind in prefixes for spec in of_kind[kind])


def _plain(target: str) -> str:
    return re.sub("[^a-z0-9]", "_", target.removeprefix("L__self___").lower())


def _in_order(parameters: Sequence[Any], buffers: Sequence[Any], constants: Sequence[Any]) -> list[str]:
    """The names of the module's parameters, then those of its buffers. Its submodules are made as they are needed."""
    children: dict[str, dict[str, None]] = {"": {}}
    own: dict[tuple[bool, str], list[str]] = {}
    for are_parameters, specs in ((False, buffers), (True, parameters), (False, constants)):
        for spec in specs:
            path = spec.target.split(".")[:-1]
            for depth in range(len(path)):
                module = ".".join(path[: depth + 1])
                children.setdefault(module, {})
                children[".".join(path[:depth])].setdefault(module)
            own.setdefault((are_parameters, ".".join(path)), []).append(spec.target)

    def names(are_parameters: bool, module: str) -> Iterator[str]:
        yield from own.get((are_parameters, module), ())
        for child in children[module]:
            yield from names(are_parameters, child)

    return [*names(True, ""), *names(False, "")]
