"""Loads a .pt2 file that anybody may have written: nothing in it is run. It checks no weights and no shapes.

torch.export.load unpickles what a program asks for, loads compiled libraries, evaluates expressions, and writes names
from the file into Python source that it executes. Inside `guarded` it does none of that with what is not plain: pickle
is limited to tensors and containers, expressions to arithmetic, names to letters, digits and a few marks, and calls to
registered operators.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn

from etbuild.compile.patches import replaced


class UnsafeProgramError(Exception):
    """The program needs what is not loaded from a file. Its text: what that is."""


class UnregisteredOperatorError(Exception):
    """The program calls an operator that nothing has registered with PyTorch. Its text: the operator."""


# In keys and values of the program's JSON that become parts of Python source: no quotes, brackets, spaces or newlines.
_NAME = re.compile(r"[\w./:+#-]*")
# In expressions: sympy's functions, PyTorch's, and what PyTorch's guards call.
_FUNCTIONS = frozenset(
    {
        *("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Mod", "Abs", "And", "Or"),
        *("Not", "floor", "ceiling", "Piecewise", "ExprCondPair", "Tuple", "Eq", "Ne", "Lt", "Le", "Gt", "Ge"),
        *("isnan", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan"),
        *("FloorDiv", "ModularIndexing", "Where", "PythonMod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv"),
        *("LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt"),
        *("RoundToInt", "RoundDecimal", "ToFloat", "Identity", "IsNonOverlappingAndDenseIndicator", "size", "stride"),
        *("storage_offset", "dim", "numel", "int", "float", "bool", "len"),
    }
)
_ATTRIBUTES = frozenset({"size", "stride", "storage_offset", "shape", "dim", "numel", "isnan", "inf", "nan"})
_PLAIN = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.keyword, ast.Attribute, ast.Subscript),
    *(ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


def load(path: str) -> Any:
    """The ExportedProgram in the file.

    raises: UnsafeProgramError when it needs pickle, a compiled library or other code; UnregisteredOperatorError; what
            torch.export.load raises.
    """
    import torch

    with guarded() as guard:
        try:
            return torch.export.load(path)
        except Exception as error:
            if guard.refused:  # PyTorch hides it behind other errors.
                raise guard.refused[0] from error
            raise


@contextmanager
def guarded() -> Iterator[_Guard]:
    """Inside this context PyTorch's reader of .pt2 files runs nothing of them."""
    import torch
    from torch._export.serde import serialize
    from torch.export.pt2_archive import _package
    from torch.utils import _pytree

    guard, reader = _Guard(), serialize.GraphModuleDeserializer
    no_import = guard.refusing("types of other modules in its arguments")
    log = logging.getLogger("torch.export")
    with ExitStack() as stack:
        # The error says it all; the log would have it once more, with a traceback.
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.ERROR)
        for owner, name, replacement in (
            (torch, "load", guard.of_load(torch.load)),
            (torch._C, "_pickle_load_obj", guard.refusing("a pickled TorchScript object")),
            (_package, "pickle", SimpleNamespace(loads=guard.refusing("pickled objects"))),
            (_package, "_load_aoti", guard.refusing("a compiled library")),
            (_pytree, "importlib", SimpleNamespace(import_module=no_import)),
            (serialize, "_bytes_to_dataclass", guard.of_read(serialize._bytes_to_dataclass)),
            (reader, "_parse_sym_expr", guard.of_parse(reader._parse_sym_expr)),
            (reader, "deserialize_operator", guard.of_find(reader.deserialize_operator)),
            (reader, "deserialize_node", guard.of_add(reader.deserialize_node)),
        ):
            stack.enter_context(replaced(owner, name, replacement))
        yield guard


class _Guard:
    """Checks in front of functions of PyTorch's reader: each `of_` method returns a replacement that checks first.

    refused: what was refused, in order.
    """

    def __init__(self) -> None:
        self.refused: list[Exception] = []

    def refuse(self, what: str) -> NoReturn:
        self._raise(UnsafeProgramError(what))

    def _raise(self, error: Exception) -> NoReturn:
        self.refused.append(error)
        raise error

    def refusing(self, what: str) -> Callable[..., Any]:
        return lambda *_, **__: self.refuse(what)

    def of_load(self, load: Callable[..., Any]) -> Callable[..., Any]:
        def load_tensors(file: Any, **options: Any) -> Any:
            try:
                return load(file, **{**options, "weights_only": True})
            except Exception:
                self.refuse("pickled objects that are not tensors")

        return load_tensors

    def of_read(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def read_checked(schema: Any, data: bytes) -> Any:
            check_names(json.loads(data), self.refuse)
            return read(schema, data)

        return read_checked

    def of_parse(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        def parse_checked(reader: Any, text: Any, *hint: Any) -> Any:
            if isinstance(text, str) and not is_plain(text):
                self.refuse("an expression that is not arithmetic")
            return parse(reader, text, *hint)

        return parse_checked

    def of_find(self, find: Callable[..., Any]) -> Callable[..., Any]:
        def find_operator(reader: Any, name: str) -> Any:
            # Of module torch, whose attributes lead to every function there is; a node has to call an operator anyway.
            found = find(reader, name)
            return self.refuse(f"a call of {name}") if name.startswith("torch") and not _is_operator(found) else found

        return find_operator

    def of_add(self, add: Callable[..., Any]) -> Callable[..., Any]:
        def add_operator(reader: Any, node: Any, target: Any) -> Any:
            if isinstance(target, str):
                self._raise(UnregisteredOperatorError(target.removeprefix("torch.ops.")))
            return add(reader, node, target) if _is_operator(target) else self.refuse(f"a call of {node.target}")

        return add_operator


def check_names(value: Any, refuse: Callable[[str], Any]) -> None:
    """Refuse a program's JSON with names that are more than names. Text that PyTorch only quotes is not looked at."""
    if isinstance(value, list):
        for entry in value:
            check_names(entry, refuse)
    elif isinstance(value, str):
        if not _NAME.fullmatch(value):
            refuse(f"the name {value[:40]!a}")
    elif isinstance(value, dict):
        for key, entry in value.items():
            check_names(key, refuse)
            if key == "guards_code":
                _check_guards(entry, refuse)
            elif key in ("in_spec", "out_spec"):
                _check_structure(entry, refuse)
            elif key not in ("metadata", "expr_str", "as_string", "as_strings"):
                check_names(entry, refuse)


def is_plain(expression: str) -> bool:
    """Whether a Python expression only calculates: no attribute, call or string leads out of it."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return expression.isascii() and all(_is_plain_node(node) for node in ast.walk(tree))


def _is_plain_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        return called in _FUNCTIONS or called.startswith(("OpaqueUnaryFn_", "BitwiseFn_"))
    if isinstance(node, ast.Attribute):
        return node.attr in _ATTRIBUTES
    if isinstance(node, ast.Name):
        return not node.id.startswith("__")
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        return isinstance(node.value, str) and _NAME.fullmatch(node.value) is not None
    return isinstance(node, _PLAIN)


def _check_guards(guards: Any, refuse: Callable[[str], Any]) -> None:
    for guard in guards if isinstance(guards, list) else [guards]:
        if not isinstance(guard, str) or not is_plain(guard):
            refuse("a check of its inputs that is not arithmetic")


def _check_structure(spec: Any, refuse: Callable[[str], Any]) -> None:
    """Of arguments or results: JSON in a string, which has JSON in strings again: keys, which become parameters."""
    if isinstance(spec, str):
        try:
            parsed = json.loads(spec)
        except (ValueError, RecursionError):
            parsed = spec
        check_names(spec, refuse) if parsed == spec else _check_structure(parsed, refuse)
    elif isinstance(spec, list | dict):
        for entry in [*spec, *spec.values()] if isinstance(spec, dict) else spec:
            _check_structure(entry, refuse)


def _is_operator(target: Any) -> bool:
    """Whether it is an operator, which opens no file; or the name of one that is not registered (`of_add`)."""
    import torch
    from torch._export.serde import serialize

    if isinstance(target, torch._ops.OpOverload):
        return all(argument.name != "filename" for argument in target._schema.arguments)
    others = (str, torch._ops.HigherOrderOperator, *serialize._registered_extension_types())
    return isinstance(target, others) or target in serialize._SYM_OPS
