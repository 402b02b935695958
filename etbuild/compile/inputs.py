"""A model's inputs: positional and keyword arguments of any structure, their leaves, and the names of the leaves.

Tuples, lists and dicts may be nested; a leaf is a tensor, a number, a bool, a text or None. The leaves in order are the
inputs of the exported program, and of the .pte. torch.export fixes all but tensors to their value. Nothing is run here.

A leaf's name is its path, joined by dots: position or keyword of its argument, then indices and keys, as in 0, 1.0,
2.gain and mask.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from etbuild.errors import StepError

_CONTAINERS = (tuple, list, dict, OrderedDict)
# What a program saved by torch.export.save may have; no dots, for the names.
_KEY = re.compile(r"[\w:+#-]+")
_REMEDY = "    nest tensors, numbers, texts and None in plain tuples, lists and dicts"


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call of a model."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> list[tuple[str, Any]]:
        """Name and leaf of each input, in order."""
        places = {**{str(index): value for index, value in enumerate(self.arguments)}, **self.keywords}
        return [leaf for place, value in places.items() for leaf in _leaves(value, place)]

    @property
    def leaves(self) -> tuple[Any, ...]:
        """One for each input of the program, in order."""
        return tuple(leaf for _, leaf in self.named)

    @property
    def tensors(self) -> dict[str, Any]:
        """The leaves that are tensors, by name."""
        import torch

        return {name: leaf for name, leaf in self.named if isinstance(leaf, torch.Tensor)}

    def with_leaves(self, leaves: Sequence[Any]) -> Inputs:
        """The same structure with other leaves; its containers are new."""
        remaining = iter(leaves)
        arguments = tuple(_rebuilt(value, remaining) for value in self.arguments)
        return Inputs(arguments, {key: _rebuilt(value, remaining) for key, value in self.keywords.items()})

    def call(self, function: Any) -> Any:
        """What the function returns for them; it may change the containers, not the leaves, without effect here."""
        copy = self.with_leaves(self.leaves)
        return function(*copy.arguments, **copy.keywords)


def inputs_of(value: Any, keywords: Any = None) -> Inputs:
    """What a model's file or factory gives as its inputs.

    value:    a tensor, or the positional arguments in a tuple or list, or the keyword arguments in a dict.
    keywords: keyword arguments beside positional ones.
    raises:   StepError that begins with the place of what is no input.
    """
    import torch

    if isinstance(value, dict) and keywords is None:
        value, keywords = (), value
    given = (value,) if isinstance(value, torch.Tensor) else value
    keywords = {} if keywords is None else keywords
    if not isinstance(given, tuple | list):
        raise StepError(
            f"got {kind(value)}, wanted a tuple of the positional inputs, or a dict of the keyword inputs\n{_REMEDY}"
        )
    if not isinstance(keywords, dict) or not all(isinstance(key, str) and key.isidentifier() for key in keywords):
        raise StepError(f"got {kind(keywords)} as keyword inputs, wanted a dict by the names of forward's parameters")
    found = Inputs(tuple(given), dict(keywords))
    _check(found)
    return found


def kind(value: object) -> str:
    """An object for messages: "a set", "the class Model"."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


def described(error: BaseException) -> str:
    """An error for messages: its type and its first line."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _check(inputs: Inputs) -> None:
    import torch

    for name, leaf in inputs.named:
        if isinstance(leaf, dict):  # see _leaves
            bad = next(key for key in leaf if not _is_key(key))
            raise StepError(f"{name}: got the key {bad!r}, wanted keys of letters, digits, _ and -")
        if not isinstance(leaf, torch.Tensor) and type(leaf) not in (bool, int, float, str, type(None)):
            raise StepError(f"{name}: got {kind(leaf)}, wanted a tensor or a number\n{_REMEDY}")
    names = [name for name, _ in inputs.named]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise StepError(f"{name}: got two inputs of this name, wanted keys that differ as text")


def _is_key(key: object) -> bool:
    return isinstance(key, str | int) and _KEY.fullmatch(str(key)) is not None


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The leaves in the order of torch's pytree. A dict with a key that no name can have is one, for `_check`."""
    if type(value) not in _CONTAINERS or (isinstance(value, dict) and not all(map(_is_key, value))):
        yield place, value
        return
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(entry, f"{place}.{key}")


def _rebuilt(value: Any, leaves: Iterator[Any]) -> Any:
    if type(value) not in _CONTAINERS:
        return next(leaves)
    if isinstance(value, dict):
        return type(value)((key, _rebuilt(entry, leaves)) for key, entry in value.items())
    return type(value)(_rebuilt(entry, leaves) for entry in value)
