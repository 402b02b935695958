"""Patches for the pinned PyTorch that make a node of a trace, and a guard, cheaper; output bytes are unchanged.

Each docstring has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etbuild.compile.patches import replaced


@contextmanager
def cheaper_nodes() -> Iterator[None]:
    """Inside this context all patches of nodes apply."""
    with nodes_without_values_for_inductor(), names_of_operators_once():
        yield


@contextmanager
def nodes_without_values_for_inductor() -> Iterator[None]:
    """Inside this context a node of an operator has no copies of its arguments' fake tensors in its metadata.

    PyTorch keeps these, as "eager_input_vals", for each operator of a library that says nothing about strides.

    Replaces: torch.fx.experimental.proxy_tensor._should_save_eager_input_vals.
    Saves:    a twentieth of lowering.
    Same:     only Inductor reads them, which does not run here, and no file has them. For an operator of higher order,
              which may refuse its arguments, PyTorch is asked.
    Delete:   when PyTorch keeps them where Inductor runs.
    """
    from torch._ops import HigherOrderOperator
    from torch.fx.experimental import proxy_tensor

    own = proxy_tensor._should_save_eager_input_vals

    def should_save(target: Any, arguments: Any = None) -> bool:
        if arguments is None or isinstance(target, HigherOrderOperator):
            return bool(own(target, arguments))
        return False

    with replaced(proxy_tensor, "_should_save_eager_input_vals", should_save):
        yield


@contextmanager
def names_of_operators_once() -> Iterator[None]:
    """Inside this context the name that an operator gives its nodes is converted to snake case once.

    Replaces: torch.fx.graph._snake_case.
    Saves:    a hundredth of lowering.
    Same:     it is a function of the text.
    Delete:   when PyTorch remembers these names.
    """
    from torch.fx import graph

    with replaced(graph, "_snake_case", functools.cache(graph._snake_case)):
        yield


@contextmanager
def cheaper_guards() -> Iterator[None]:
    """Inside this context all patches of guards apply."""
    with guards_as_they_are(), file_names_once():
        yield


@contextmanager
def guards_as_they_are() -> Iterator[None]:
    """Inside this context the conditions of guards are compiled without a search for terms that occur in several.

    The search writes each term of each condition as text again: thousands for the sizes of all weights.

    Replaces: torch._dynamo.guards.PyExprCSEPass.count and replace.
    Saves:    a quarter of exporting MobileNetV2 in strict mode.
    Same:     the same conditions are true; a term that occurs twice is computed twice. No program contains guards.
    Delete:   when PyTorch leaves out the search for guards that are called once.
    """
    from torch._dynamo.guards import PyExprCSEPass

    with (
        replaced(PyExprCSEPass, "count", lambda self, conditions: None),
        replaced(PyExprCSEPass, "replace", lambda self, condition: ([], condition)),
    ):
        yield


@contextmanager
def file_names_once() -> Iterator[None]:
    """Inside this context the name of a source file is shortened once, not for the text of each guard.

    Replaces: torch.utils._traceback.shorten_filename.
    Saves:    a tenth of exporting MobileNetV2 in strict mode.
    Same:     it is a function of the name.
    Delete:   when PyTorch formats the text of a guard when the guard fails, or remembers short names.
    """
    from torch.utils import _traceback

    with replaced(_traceback, "shorten_filename", functools.cache(_traceback.shorten_filename)):
        yield
