"""What a string in Python source can be: its constant parts, and placeholders for what is known at run time only.

It evaluates nothing. A name is followed to its assignments in the function and in the module, also of another module;
a call of a function of the module to what that returns. What cannot be followed is a placeholder.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

# More alternatives than these are one placeholder: a message is then as clear without them.
_MOST = 8
_DEPTH = 6


@dataclass(frozen=True)
class Hole:
    """A placeholder. name: that of what is put there."""

    name: str


Template = tuple[str | Hole, ...]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """The source of a module. others: all modules by dotted name, for what this one imports."""

    name: str
    tree: ast.Module
    others: Mapping[str, Module] = field(default_factory=dict)

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The values of the names that are assigned once, at the top of the module."""
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                found[node.target.id] = node.value
        return found

    @cached_property
    def functions(self) -> dict[str, Function]:
        """All functions and methods by name; of several with one name the first."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return {node.name: node for node in reversed(nodes)}

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """The module and the name there of each name from another module."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and node.module]
        return {name.asname or name.name: (node.module or "", name.name) for node in nodes for name in node.names}

    @cached_property
    def function_of(self) -> dict[ast.AST, Function]:
        """The innermost function around each node that is in one."""
        found: dict[ast.AST, Function] = {}
        queue: list[tuple[ast.AST, Function | None]] = [(self.tree, None)]
        for node, function in queue:
            for child in ast.iter_child_nodes(node):
                if function:
                    found[child] = function
                queue.append((child, child if isinstance(child, Function) else function))
        return found

    @cached_property
    def calls(self) -> dict[str, list[ast.Call]]:
        """All calls by the last part of what is called."""
        found: dict[str, list[ast.Call]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                found.setdefault(name, []).append(node)
        return found


@cache
def modules(root: Path, package: str) -> dict[str, Module]:
    """All modules of a package. root: the folder that it is in."""
    found: dict[str, Module] = {}
    for path in sorted((root / package).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, ast.parse(path.read_text(encoding="utf-8")), found)
    return found


def templates(node: ast.expr, module: Module, depth: int = _DEPTH) -> list[Template]:
    """Everything that an expression can be; one placeholder for what is not followed."""
    found = list(dict.fromkeys(map(_merged, _templates(node, module, depth))))
    if len(found) > _MOST and depth:
        return templates(node, module, 0)
    return found if 0 < len(found) <= _MOST else [(_hole(node),)]


def _templates(node: ast.expr, module: Module, depth: int) -> Iterable[Template]:
    if isinstance(node, ast.Constant):
        return [() if node.value is None else (str(node.value),)]
    if isinstance(node, ast.FormattedValue):
        return templates(node.value, module, depth)
    if isinstance(node, ast.JoinedStr):
        return _product(node.values, module, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _product([node.left, node.right], module, depth)
    if isinstance(node, ast.IfExp):
        return [*templates(node.body, module, depth), *templates(node.orelse, module, depth)]
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return [one for value in node.values for one in templates(value, module, depth)]
    if depth and isinstance(node, ast.Name):
        return [one for value, home in _values(node, module) for one in templates(value, home, depth - 1)]
    if depth and isinstance(node, ast.Call):
        return _returned(node, module, depth - 1)
    return []


def _product(nodes: Iterable[ast.expr], module: Module, depth: int) -> list[Template]:
    alternatives = [templates(node, module, depth) for node in nodes]
    combined = itertools.islice(itertools.product(*alternatives), _MOST + 1)
    return [tuple(itertools.chain.from_iterable(parts)) for parts in combined]


def _values(node: ast.Name, module: Module) -> Iterator[tuple[ast.expr, Module]]:
    """What a name is assigned in its function, else in the module or in the one that it is imported from."""
    function = module.function_of.get(node)
    local = list(_assigned(node.id, function)) if function else []
    if local:
        yield from ((value, module) for value in local)
    elif function and node.id in parameters(function):
        return
    elif node.id in module.constants:
        yield module.constants[node.id], module
    elif node.id in module.imported:
        name, original = module.imported[node.id]
        home = module.others.get(name)
        if home and original in home.constants:
            yield home.constants[original], home


def _assigned(name: str, function: Function) -> Iterator[ast.expr]:
    """The values of plain assignments, of `a, b = x, y` and of `:=`."""
    for node in ast.walk(function):
        if isinstance(node, ast.NamedExpr) and node.target.id == name:
            yield node.value
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name and value:
                yield value
            elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
                pairs = zip(target.elts, value.elts, strict=True)
                yield from (one for to, one in pairs if isinstance(to, ast.Name) and to.id == name)


def _returned(node: ast.Call, module: Module, depth: int) -> Iterable[Template]:
    """Of a join of a list what it gives; of a function of the module what it returns; of rstrip and str the text."""
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "join" and isinstance(called.value, ast.Constant):
        joined = node.args[0]
        function = module.function_of.get(node)
        if isinstance(joined, ast.Name) and function:
            joined = next(_assigned(joined.id, function), joined)
        if not isinstance(joined, ast.List | ast.Tuple):
            return []
        separated = [part for one in joined.elts for part in (called.value, one)][1:]
        return _product(separated, module, depth)
    if isinstance(called, ast.Attribute) and called.attr in ("rstrip", "strip"):
        return templates(called.value, module, depth)
    function = module.functions.get(called.id) if isinstance(called, ast.Name) else None
    if function is None:
        return []
    values = [one.value for one in ast.walk(function) if isinstance(one, ast.Return) and one.value]
    return [one for value in values for one in templates(value, module, depth)]


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, in order, without self."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def _hole(node: ast.expr) -> Hole:
    """A placeholder, named by the last name in the expression that says most."""
    if isinstance(node, ast.FormattedValue | ast.Starred | ast.Await):
        return _hole(node.value)
    if isinstance(node, ast.Name):
        return Hole(node.id.strip("_"))
    if isinstance(node, ast.Attribute):
        return Hole(node.attr.strip("_"))
    if isinstance(node, ast.Subscript):
        return _hole(node.value)
    if isinstance(node, ast.Call) and node.args:
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        return Hole("N") if called == "len" else _hole(node.args[-1 if called == "map" else 0])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return _hole(node.func.value)
    if isinstance(node, ast.GeneratorExp | ast.ListComp):
        return _hole(node.generators[0].iter)
    return Hole("...")


def _merged(parts: Template) -> Template:
    """Neighbouring constants as one."""
    merged: list[str | Hole] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return tuple(merged)
