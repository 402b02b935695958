"""Monkey patches for the pinned PyTorch that remove repeated work in export and lowering; output bytes are unchanged.

`install` applies the first three for the life of the process; the others are applied when they are called, or inside a
context. Each docstring names:

Replaces: the function of PyTorch.
Saves:    a share of the time of one step, measured on mnist in runs with and without the patch in turns.
Same:     why the output bytes are unchanged, and on what condition.
Delete:   what makes the patch needless.

When the pinned version of PyTorch changes, the tests that docs/upstream.md names must pass; a patch whose function is
gone, or that a test rejects, is deleted.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar


def install() -> None:
    """Apply the patches that stay for the life of the process. Call it after `import torch`; a second call is harmless.

    The compile server calls it before it forks a process per step, and each of these calls it again.
    """
    _share_node_sources()
    _cache_composite_operators()
    _register_kernels_without_annotations()


def _share_node_sources() -> None:
    """Copies of a graph share the NodeSource objects of their nodes instead of copying them deeply.

    Replaces: torch.fx.traceback.NodeSource.__deepcopy__ (absent in PyTorch: copy.deepcopy copies by __reduce_ex__), and
              copy.deepcopy in that module, which copies a node's list of them.
    Saves:    a sixth of lowering: each pass over a graph wraps and copies the history of each node, which has one
              NodeSource per earlier pass.
    Same:     nothing changes a NodeSource after its construction, and `exported_program.make_portable` deletes them.
    Delete:   when PyTorch's NodeSource no longer copies `from_node` deeply.
    """
    from torch.fx import traceback

    def deepcopy(value: Any) -> Any:
        shared = type(value) is list and {traceback.NodeSource}.issuperset(map(type, value))
        return value[:] if shared else copy.deepcopy(value)

    traceback.NodeSource.__deepcopy__ = lambda self, memo: self
    traceback.copy = SimpleNamespace(copy=copy.copy, deepcopy=deepcopy)


def _cache_composite_operators() -> None:
    """The set of composite (CompositeImplicitAutograd) operators is collected once, and again after a registration.

    Replaces: torch._export.utils._collect_all_valid_cia_ops, also where torch.export imported it by name.
    Saves:    a quarter of lowering: each decomposition of a graph collects them for each namespace of operators.
    Same:     a new operator changes the dispatcher's registrations, and a kernel that is added in Python comes with the
              import of a module; either makes the cached set invalid. Callers receive a copy.
    Delete:   when PyTorch caches the set for all namespaces, not for aten alone.
    """
    import torch
    from torch._export import utils

    collect = utils._collect_all_valid_cia_ops
    if collect.__module__ == __name__:
        return  # Installed in the compile server, before it forked this process.
    cached_for: list[object] = []
    operators: set[Any] = set()

    def collect_once() -> set[Any]:
        registered = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if cached_for != [registered, len(sys.modules)]:
            cached_for[:] = registered, len(sys.modules)
            operators.clear()
            operators.update(collect())
        return set(operators)

    for module in (utils, *map(sys.modules.get, ("torch.export.exported_program", "torch.export.decomp_utils"))):
        if module is not None:
            module._collect_all_valid_cia_ops = collect_once


def collect_composite_operators() -> None:
    """Collect them for the modules that are loaded now: a step that the compile server forks then has the set already,
    which saves a tenth of lowering a small model."""
    from torch._export import utils

    utils._collect_all_valid_cia_ops()


def _register_kernels_without_annotations() -> None:
    """A Python kernel is registered by a function without annotations, which Python would evaluate at each call.

    Replaces: torch._ops.OperatorBase.py_impl, for dispatch keys other than Python.
    Saves:    a fourteenth of lowering: decompositions of a small model register 36,600 kernels temporarily.
    Same:     the same entries are added to `py_kernels`; all other keys, and kernels that exist, go to PyTorch's own.
    Delete:   when the inner function of PyTorch's py_impl has no annotations that are evaluated at each call.
    """
    from torch._ops import DispatchKey, OperatorBase

    original = OperatorBase.py_impl
    if original.__module__ == __name__:
        return

    def py_impl(self: Any, key: Any) -> Any:
        def register(kernel):  # type: ignore[no-untyped-def]  # annotations are what this avoids
            if key in self.py_kernels:
                return original(self, key)(kernel)  # Raises PyTorch's error.
            self.py_kernels[key] = kernel
            self._dispatch_cache.clear()
            return kernel

        return register if type(key) is DispatchKey and key != DispatchKey.Python else original(self, key)

    OperatorBase.py_impl = py_impl


@contextmanager
def save_without_canonicalizing() -> Iterator[None]:
    """Inside this context torch.export.save does not compute the canonical form of the program.

    Replaces: torch._export.serde.serialize.canonicalize.
    Saves:    half of the time of saving.
    Same:     PyTorch discards the canonical form: it only checks that one can be computed.
    Delete:   when torch.export.save no longer calls canonicalize, or when it saves what that returns.
    """
    from torch._export.serde import serialize

    with replaced(serialize, "canonicalize", lambda *_: None):
        yield


@contextmanager
def export_without_guards() -> Iterator[None]:
    """Inside this context torch.export.export does not build guards in strict mode.

    Replaces: torch._dynamo.functional_export._suggest_or_raise_constraint_violation.
    Saves:    a seventh of quantising.
    Same:     the guards only serve to find violated constraints of dynamic shapes. Use it only for a module that was
              exported before and has static shapes; for a user's module the guards find real errors.
    Delete:   when PyTorch skips the guards for static shapes, or uses them for the exported program.
    """
    from torch._dynamo import functional_export

    with replaced(functional_export, "_suggest_or_raise_constraint_violation", lambda *_: None):
        yield


@contextmanager
def lazy_code_generation() -> Iterator[None]:
    """Inside this context a graph module's Python code is generated when it is first called or read.

    Replaces: torch.fx.GraphModule.recompile.
    Saves:    an eighth of lowering a small model: passes interpret graphs, and few of some hundred modules are called.
    Same:     the code is a function of the graph. Not for modules that TorchDynamo traces: it reads the code directly;
              call `recompile` after the context before exporting such a module.
    Delete:   when PyTorch generates the code of a GraphModule lazily.
    """
    from torch.fx import GraphModule

    generate = GraphModule.recompile

    def reduce(self: Any) -> Any:
        generate(self)  # First, because a module is pickled with its code, not with its graph.
        return GraphModule.__reduce__(self)

    def recompile(self: Any) -> Any:
        codegen = self._graph._codegen
        if hasattr(codegen, "pytree_info"):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        # Each graph module has a class of its own.
        own: Any = type(self)
        own.__reduce__ = reduce
        for name in _GeneratedAttribute.NAMES:
            self.__dict__.pop(name, None)
            setattr(own, name, _GeneratedAttribute(name, generate))
        self._recompile_submodules()
        return _PythonCode(self, generate)

    with replaced(GraphModule, "recompile", recompile):
        yield


@dataclass(frozen=True)
class _GeneratedAttribute:
    """Descriptor for an attribute of a graph module that code generation sets; reading it generates the code."""

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
    """The return value of `recompile`: reading one of its fields generates the code."""

    module: Any
    generate: Callable[[Any], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generate(self.module), name)


@contextmanager
def replaced(owner: object, name: str, replacement: object) -> Iterator[None]:
    """Inside this context `owner.name` is `replacement`."""
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)
