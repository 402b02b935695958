"""Registers operators of the user with PyTorch, for every step that reads a program. It compiles no kernel.

ExecuTorch calls the `out` variant of an operator: one that has none gets it from its schema (`add_out_variants`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.user_code import import_source, users_code
from etbuild.errors import StepError

if TYPE_CHECKING:
    from collections.abc import Callable

# Libraries of torch.library unregister what they define when they are deleted.
_KEPT: list[Any] = []


def register(files: Sequence[Path], import_file: Callable[[Path], Any]) -> frozenset[str]:
    """Register the operators of these files.

    files:       .py files, which are imported, and shared libraries, which are loaded.
    import_file: imports a .py file and records what it reads.
    return: the names of what they and the packages that they import have registered, "my::soft_clip".
    raises: StepError for a file that cannot be imported or loaded, or registers nothing.
    """
    if not files:
        return frozenset()
    import torch

    found: set[str] = set()
    for file in files:
        before = set(torch._C._dispatch_get_all_op_names())
        if file.suffix == ".py":
            import_file(file)
        else:
            _load(file)
        new = set(torch._C._dispatch_get_all_op_names()) - before
        if not new:
            raise StepError(
                f"{file}: got no new operator, wanted one\n"
                "    register it when the file is imported: torch.library.custom_op, or torch.library.Library"
            )
        found |= {name.partition(".")[0] for name in new}
    return frozenset(found)


def called_by(graph_module: Any, registered: frozenset[str]) -> set[str]:
    """The operators of the user that a graph calls, with the graphs of its branches."""
    import torch

    targets = (node.target for one in graph_module.modules() if hasattr(one, "graph") for node in one.graph.nodes)
    names = {target._schema.name for target in targets if isinstance(target, torch._ops.OpOverload)}
    return names & registered


def add_out_variants(names: Iterable[str]) -> None:
    """Define an `out` variant for each overload of these operators that has none: it copies what that returns."""
    for name in sorted(names):
        _add_out_variants(name)


def import_file(file: Path) -> Any:
    """Import a .py file that registers operators; its errors have the user's source lines."""
    with users_code(f"{file}: import"):
        return import_source(file, "the file that operators[].source names")


def _load(file: Path) -> None:
    import torch

    try:
        torch.ops.load_library(str(file.absolute()))
    except OSError as error:
        raise StepError(
            f"{file}: got {str(error).splitlines()[0]}, wanted a shared library that registers operators\n"
            f"    build it with PyTorch {torch.__version__} and for this machine"
        ) from None


def _add_out_variants(name: str) -> None:
    import torch

    namespace, _, short = name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), short)
    overloads = [getattr(packet, one) for one in packet.overloads()]
    outs = {_arguments(one) for one in overloads if _outs(one)}
    for one in overloads:
        if _outs(one) or one._schema.is_mutable or _arguments(one) in outs:
            continue
        returns = [str(result.type) for result in one._schema.returns]
        if not returns or set(returns) != {"Tensor"}:
            continue  # ExecuTorch says that it has no out variant.
        _define_out(namespace, short, one)


def _outs(operator: Any) -> list[Any]:
    return [argument for argument in operator._schema.arguments if argument.is_out]


def _arguments(operator: Any) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, str(one.type)) for one in operator._schema.arguments if not one.is_out)


def _define_out(namespace: str, short: str, operator: Any) -> None:
    import torch

    library = torch.library.Library(namespace, "FRAGMENT")
    _KEPT.append(library)
    count = len(operator._schema.returns)
    overload = operator._overloadname
    variant = "out" if overload == "default" else f"{overload}_out"
    names = ["out"] if count == 1 else [f"out{index}" for index in range(count)]
    marks = [chr(ord("a") + index) for index in range(count)]
    head = str(operator._schema).partition("(")[2].rpartition(") -> ")[0]
    outs = [f"Tensor({mark}!) {one}" for mark, one in zip(marks, names, strict=True)]
    star = "" if any(one.kwarg_only for one in operator._schema.arguments) else "*, "
    parameters = f"{head}, {star}{', '.join(outs)}" if head else f"*, {', '.join(outs)}"
    results = [f"Tensor({mark}!)" for mark in marks]
    result = results[0] if count == 1 else f"({', '.join(results)})"
    library.define(f"{short}.{variant}({parameters}) -> {result}")

    def into(*arguments: Any, **keywords: Any) -> Any:
        targets = [keywords.pop(one) for one in names]
        made = operator(*arguments, **keywords)
        for target, value in zip(targets, (made,) if count == 1 else made, strict=True):
            target.resize_(value.shape).copy_(value)
        return targets[0] if count == 1 else tuple(targets)

    library.impl(f"{short}.{variant}", into, "CompositeExplicitAutograd")


def check_kernels(
    called: Iterable[Any], registered: frozenset[str], kernels: Iterable[str], partition: Iterable[Mapping[str, Any]]
) -> None:
    """Check that each operator of the user that a program calls has a kernel.

    called:    the Operators of the program. kernels: names with overloads, of what has a kernel.
    partition: the operators of partition.json, with their lines.
    raises:    StepError with all that have none, and the lines of the model that call them.
    """
    wanted = {f"{one.name}.{one.overload}": one.name.replace("::", ".") for one in called if one.name in registered}
    missing = sorted(wanted.keys() - set(kernels))
    if not missing:
        return
    lines = {one["operator"].rpartition(".")[0]: one["line"] for one in partition}
    names = [f"{name} ({lines.get(wanted[name]) or 'an unknown line'})" for name in missing]
    raise StepError(
        f"operators: got no kernel for {', '.join(names)}, wanted one in operators[].kernels\n"
        f'    e.g. a C++ file with ETB_KERNEL(name, "{missing[0]}", function); or run: {{on: none}} without runtime'
    )
