"""Monkey patches for the pinned PyTorch that remove repeated work in export and lowering; output bytes are unchanged.

Each takes the place of a function of PyTorch: for the life of the process, or while a context lasts.
What they save was measured on mnist, with and without in turns.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar


def tune() -> None:
    """To be called after torch was imported; again is no harm, as in a process that the compile server forked."""
    _share_sources()
    _look_up_operators_once()
    _register_without_annotations()


def _share_sources() -> None:
    """Let copies of a graph share what its nodes know of their origin.

    Each pass over a graph wraps a node's history in a new one and copies it deeply, though nothing ever alters it:
    a sixth of the time of lowering, for chains as long as there are passes.
    """
    from torch.fx.traceback import NodeSource

    NodeSource.__deepcopy__ = lambda self, memo: self


def _look_up_operators_once() -> None:
    """Let PyTorch look its composite operators up once, and again only after one may have been registered.

    Each decomposition of a graph does so, for each namespace of operators: a quarter of the time of lowering.
    """
    import torch
    from torch._export import utils

    look_up = utils._collect_all_valid_cia_ops
    if look_up.__module__ == __name__:
        return  # Done in the server, before it forked this process.
    asked: list[object] = []
    found: set[Any] = set()

    def look_up_new() -> set[Any]:
        # By C++ and by Python's torch.library; a module may also add a kernel to an operator when it is imported.
        registered = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if asked != [registered, len(sys.modules)]:
            asked[:] = registered, len(sys.modules)
            found.clear()
            found.update(look_up())
        return set(found)

    for module in (utils, *map(sys.modules.get, ("torch.export.exported_program", "torch.export.decomp_utils"))):
        if module is not None:
            module._collect_all_valid_cia_ops = look_up_new


def _register_without_annotations() -> None:
    """Let PyTorch register a kernel of an operator without making the types of the function that does so.

    Decompositions of a small model register 36,600 kernels for a while; that function's annotations are evaluated each
    time. A fourteenth of the time of lowering.
    """
    from torch._ops import DispatchKey, OperatorBase

    own = OperatorBase.py_impl
    if own.__module__ == __name__:
        return

    def py_impl(self: Any, key: Any) -> Any:
        def register(kernel):  # type: ignore[no-untyped-def]  # that is the point
            if key in self.py_kernels:
                return own(self, key)(kernel)  # PyTorch's own words for it.
            self.py_kernels[key] = kernel
            self._dispatch_cache.clear()
            return kernel

        return register if type(key) is DispatchKey and key != DispatchKey.Python else own(self, key)

    OperatorBase.py_impl = py_impl


def read_type_hints_once() -> None:
    """Let PyTorch work out the fields' types of each class of a .pt2 once, not for each object of that class.

    By itself, since it imports what reads a .pt2.
    """
    import typing
    from types import SimpleNamespace

    from torch._export.serde import serialize

    if not isinstance(serialize.typing, ModuleType):
        return
    known: dict[type, dict[str, Any]] = {}

    def get_type_hints(cls: type, **scope: Any) -> dict[str, Any]:
        if cls not in known:
            known[cls] = typing.get_type_hints(cls, **scope)
        return known[cls]

    serialize.typing = SimpleNamespace(**{**vars(typing), "get_type_hints": get_type_hints})


@contextmanager
def saved_unchecked() -> Iterator[None]:
    """While it lasts, a program is saved without its canonical form, which PyTorch makes to see whether it can.

    Half of the time of saving.
    """
    from torch._export.serde import serialize

    with _in_place_of(serialize, "canonicalize", lambda *_: None):
        yield


@contextmanager
def exported_unguarded() -> Iterator[None]:
    """While it lasts, a module is exported without guards, in which PyTorch looks for violated ranges of shapes.

    Only for what was exported before and has static shapes: guards of a user's module find more. A seventh of the time
    of quantising.
    """
    from torch._dynamo import functional_export

    with _in_place_of(functional_export, "_suggest_or_raise_constraint_violation", lambda *_: None):
        yield


@contextmanager
def decompositions_that_change() -> Iterator[None]:
    """While it lasts, a program is decomposed only by what changes it.

    ExecuTorch traces each three times: to have no operators in place, then none that no backend wants to keep, then
    none that were kept in vain. Mostly there are none. A third of the time of lowering, more for a small model.
    """
    from torch.export import ExportedProgram

    decompose = ExportedProgram.run_decompositions

    def decompose_what_is_there(self: Any, decomp_table: Any = None, **options: Any) -> Any:
        # Each trace of symbolic shapes may add what asserts their ranges.
        if decomp_table is None or options or self.range_constraints:
            return decompose(self, decomp_table, **options)
        table = dict(decomp_table)
        return self if _stays(self, table) else decompose(self, table)

    with _in_place_of(ExportedProgram, "run_decompositions", decompose_what_is_there):
        yield


def _stays(program: Any, table: Mapping[Any, Any]) -> bool:
    """Whether a trace with this table would find the same operators: none is in place, in it, or always composite.

    An empty table: what is always composite may wait for the next trace.
    """
    import torch
    from torch._export import utils

    if program.graph_signature.user_inputs_to_mutate:  # Each trace adds a copy into the input.
        return False
    kept = utils._collect_all_valid_cia_ops()
    for node in program.graph.nodes:
        op = node.target
        if node.op in ("placeholder", "output") or op is operator.getitem:
            continue
        if not isinstance(op, torch._ops.OpOverload) or op._schema.is_mutable or op in table:
            return False
        if table and utils._is_cia_op(op) and op not in kept:
            return False
    return True


@contextmanager
def code_on_demand() -> Iterator[None]:
    """While it lasts, a graph module's Python is generated when it is first called or read, not at each change.

    Passes over a graph interpret it; of some hundred modules that lowering makes, a handful is ever called. An eighth
    of the time of lowering a small model. Not for what TorchDynamo traces: it takes a module's code as it stands.
    """
    from torch.fx import GraphModule

    generate = GraphModule.recompile

    def reduce(self: Any) -> Any:
        generate(self)  # First: it is pickled by its code, not by its graph.
        return GraphModule.__reduce__(self)

    def recompile(self: Any) -> Any:
        codegen = self._graph._codegen
        if hasattr(codegen, "pytree_info"):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        # Each graph module has a class of its own.
        own: Any = type(self)
        own.__reduce__ = reduce
        for name in _OnDemand.NAMES:
            self.__dict__.pop(name, None)
            setattr(own, name, _OnDemand(name, generate))
        self._recompile_submodules()
        return _PythonCode(self, generate)

    with _in_place_of(GraphModule, "recompile", recompile):
        yield


@dataclass(frozen=True)
class _OnDemand:
    """What generating a graph module's code sets on it or its class: found on the class until then."""

    NAMES: ClassVar = ("forward", "_code", "_lineno_map", "_prologue_start")

    name: str
    generate: Callable[[Any], Any]

    def __get__(self, module: Any, owner: type) -> Any:
        if module is None:
            return self
        self.generate(module)
        return getattr(module, self.name)


@dataclass(frozen=True)
class _PythonCode:
    """What `recompile` returns, generated when one of its fields is read."""

    module: Any
    generate: Callable[[Any], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generate(self.module), name)


@contextmanager
def _in_place_of(owner: object, name: str, other: object) -> Iterator[None]:
    own = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, own)
