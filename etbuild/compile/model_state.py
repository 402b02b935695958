"""What a call of a model changes in it: buffers, which an exported program keeps, and other attributes, which it
does not. It finds a state that would be lost, and names it; it exports nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etbuild.compile import states

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs

_WANTED = "wanted each state in a buffer of its own"
_SCALARS = (bool, int, float, str, type(None))


class Snapshot:
    """The buffers and attributes of a module and of those in it, as they are now."""

    def __init__(self, module: Any):
        self._module = module
        self._originals = dict(module.named_buffers())
        self._buffers = {name: value.clone() for name, value in self._originals.items()}
        self._attributes = {name: _copied(value) for name, value in _attributes(module)}

    def changed(self) -> list[str]:
        """The dotted names of attributes and buffers that have other values now; first those that are no buffers."""
        buffers = [name for name in self._buffers if not _equal(self._buffers[name], self._module.get_buffer(name))]
        return self._changed_attributes() + buffers

    def restore(self) -> None:
        """Give the module its buffers and attributes back."""
        for name, value in self._originals.items():
            path, _, buffer = name.rpartition(".")
            self._module.get_submodule(path)._buffers[buffer] = value.copy_(self._buffers[name])
        for name in self._changed_attributes():
            path, _, attribute = name.rpartition(".")
            setattr(self._module.get_submodule(path), attribute, _copied(self._attributes[name]))

    def _changed_attributes(self) -> list[str]:
        now = dict(_attributes(self._module))
        return [name for name, value in self._attributes.items() if name in now and not _equal(value, now[name])]


def what_is_lost(module: Any, program: Any, inputs: Inputs, changed: list[str]) -> str:
    """A message that names what the exported program does not keep; "" when two calls of it give what two of the model
    do.

    module:  as it was exported; two calls change it.
    changed: what a call changes, attributes and buffers.
    """
    lost = states.changed_constants(program)
    if lost:
        return f"forward changes self.{lost[0]}, {_WANTED}\n{_remedy(lost[0])}"
    if not changed:
        return ""
    exported = copy.deepcopy(program).module(check_guards=False)
    for state in dict(exported.named_buffers()):  # which are views of one memory in the model, but not in a .pte
        path, _, buffer = state.rpartition(".")
        owner = exported.get_submodule(path)
        owner._buffers[buffer] = owner._buffers[buffer].clone()
    for call in range(1, 3):
        wanted, got = _leaves(inputs, module), _leaves(inputs, exported)
        differing = [index for index, pair in enumerate(zip(got, wanted, strict=True)) if not _close(*pair)]
        if differing:
            return (
                f"forward changes {', '.join(f'self.{one}' for one in changed)}; call {call} of the exported "
                f"program gives another output {differing[0]} than the model, {_WANTED}\n{_remedy(changed[0])}"
            )
    return ""


def _remedy(name: str) -> str:
    last = name.rpartition(".")[2]
    return f'    in __init__: self.register_buffer("{last}", torch.tensor(...)); in forward change that in place'


def _attributes(module: Any) -> Iterator[tuple[str, Any]]:
    """Those that hold numbers, texts, tensors, or containers of them, by dotted name; not PyTorch's own."""
    import torch

    own = vars(torch.nn.Module()).keys() | {"training"}
    for path, one in module.named_modules():
        for name, value in vars(one).items():
            if name not in own and _is_plain(value):
                yield (f"{path}.{name}" if path else name), value


def _is_plain(value: Any) -> bool:
    import torch

    if isinstance(value, list | tuple | dict):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, (torch.Tensor, *_SCALARS))


def _copied(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return type(value)(map(_copied, value)) if type(value) in (list, tuple) else value


def _equal(one: Any, other: Any) -> bool:
    import torch

    if isinstance(one, torch.Tensor):
        same = isinstance(other, torch.Tensor) and (one.shape, one.dtype) == (other.shape, other.dtype)
        return bool(same and ((one == other) | ((one != one) & (other != other))).all())
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and len(one) == len(other) and all(map(_equal, one, other))
    return type(one) is type(other) and bool(one == other or one != one)


def _leaves(inputs: Inputs, module: Any) -> list[Any]:
    """What the module returns for copies of the inputs."""
    import torch
    from torch.utils import _pytree as pytree

    copies = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in inputs.leaves]
    return list(pytree.tree_leaves(inputs.with_leaves(copies).call(module)))


def _close(got: Any, wanted: Any) -> bool:
    import torch

    if not isinstance(wanted, torch.Tensor):
        return bool(got == wanted)
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    return bool(torch.allclose(got.float(), wanted.float(), rtol=1e-3, atol=1e-5, equal_nan=True))
