"""Which modules of the model a node of a graph comes from, by name and by class. It knows no key of a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from etbuild.compile.exported_program import module_path


def is_of_module(node: Any, kind: str, match: str) -> bool:
    """Whether a node comes from the modules that a recipe names.

    kind: module_name, for the module at that path and those inside it; or module_type, for the modules of that class,
          named with or without its package.
    """
    if kind == "module_name":
        return any(name == match or name.startswith(f"{match}.") for name, _ in _modules(node))
    return any(match in (type_name, type_name.rpartition(".")[2]) for _, type_name in _modules(node))


def module_names(nodes: Iterable[Any], kind: str) -> list[str]:
    """Everything that `is_of_module` finds by this kind in a graph, sorted."""
    found = [module for node in nodes for module in _modules(node)]
    return sorted({name for name, _ in found} - {""} if kind == "module_name" else {of for _, of in found})


def _modules(node: Any) -> Iterator[tuple[str, str]]:
    """Path and class, with its package, of each module that a node is in, outermost first."""
    for path, of in (node.meta.get("nn_module_stack") or {}).values():
        yield module_path(path), of if isinstance(of, str) else f"{of.__module__}.{of.__qualname__}"
