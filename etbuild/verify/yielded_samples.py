"""Samples that a function of the user yields. They are stored in a temporary file, so that all processes read them.

The function yields (inputs, label): inputs as ModelInputs, of tensors or NumPy's arrays; a label of any shape, or None.
"""

from __future__ import annotations

import math
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from etbuild.compile.inputs import inputs_of, kind
from etbuild.compile.user_code import users_code
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.compile.tracked_code import UserCode
    from etbuild.recipe.evaluate_sections import DataSet


def yielded(
    settings: DataSet, example: Inputs, code: UserCode
) -> tuple[tuple[str, ...], Callable[[int], tuple[Any, ...]], Any]:
    """Names, reader and labels of the samples; no more are asked for than the recipe wants.

    raises: StepError with the user's source lines for an error of the function, and for a sample that does not fit.
    """
    import numpy as np
    import torch

    assert settings.data is not None
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    place = f"{settings.data}: {settings.entry}()"
    function = code.entry(settings.data, settings.entry, "evaluate.entry")
    if not callable(function):
        raise StepError(f"{settings.data}: evaluate.entry: got {kind(function)}, wanted a function")
    store, labels = _Store(example), []
    with code.recorded():
        pairs = _pairs(function, place)
        for number, pair in enumerate(pairs):
            inputs, label = _pair(pair, f"{place}: sample {number}")
            store.add(inputs, f"{place}: sample {number}")
            labels.append(label)
            if number + 1 == settings.samples:
                break
    names = tuple(f"{settings.entry}#{number}" for number in range(store.count))
    return names, store.read, _labels(labels, place)


def _pairs(function: Any, place: str) -> Iterator[Any]:
    """What the function yields; its errors are those of `users_code`."""
    with users_code(place):
        found = iter(function())
    while True:
        with users_code(place):
            try:
                pair = next(found)
            except StopIteration:
                return
        yield pair


def _pair(pair: Any, place: str) -> tuple[Any, Any]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise StepError(f"{place}: got {kind(pair)}, wanted a pair of inputs and label\n    the label may be None")
    return pair[0], pair[1]


class _Store:
    """The tensors of all samples in a temporary file without a name, one record each."""

    def __init__(self, example: Inputs):
        self._example = example
        self._leaves = example.tensors
        self._bytes = sum(leaf.numel() * leaf.element_size() for leaf in self._leaves.values())
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the data set
        self.count = 0

    def add(self, value: Any, place: str) -> None:
        """raises: StepError when the inputs do not fit the model."""
        import torch

        try:
            given = dict(inputs_of(_tensors(value)).named)
        except StepError as error:
            raise StepError(f"{place}: {error}") from None
        for name, leaf in self._leaves.items():
            tensor = given.get(name)
            if not isinstance(tensor, torch.Tensor):
                raise StepError(f"{place}: got inputs {', '.join(given)}, wanted the tensor {name}")
            if tensor.numel() != leaf.numel():
                raise StepError(f"{place}: input {name}: got shape {list(tensor.shape)}, wanted {list(leaf.shape)}")
            if tensor.is_floating_point() and not leaf.is_floating_point():
                raise StepError(f"{place}: input {name}: got {tensor.dtype}, wanted {leaf.dtype}")
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                raise StepError(f"{place}: input {name}: got NaN or infinity, wanted finite values")
            self._file.write(tensor.detach().to(leaf.dtype).contiguous().reshape(-1).view(torch.uint8).numpy().data)
        self.count += 1

    def read(self, number: int) -> tuple[Any, ...]:
        """The leaves of a sample; each process has its own position."""
        import torch

        data = bytearray(os.pread(self._file.fileno(), self._bytes, number * self._bytes))
        at, found = 0, dict[str, Any]()
        for name, leaf in self._leaves.items():
            size = math.prod(leaf.shape)
            found[name] = torch.frombuffer(data, dtype=leaf.dtype, count=size, offset=at).reshape(leaf.shape)
            at += size * leaf.element_size()
        return tuple(found.get(name, leaf) for name, leaf in self._example.named)


def _tensors(value: Any) -> Any:
    """NumPy's arrays as tensors, in the same structure."""
    import numpy as np
    import torch

    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, tuple | list):
        return type(value)(map(_tensors, value))
    return {key: _tensors(one) for key, one in value.items()} if isinstance(value, dict) else value


def _labels(labels: list[Any], place: str) -> Any:
    import numpy as np

    if not labels or all(label is None for label in labels):
        return None
    for number, label in enumerate(labels):
        if label is None:
            raise StepError(f"{place}: sample {number}: got no label, wanted one for each sample or for none")
    arrays = [np.asarray(label) for label in labels]
    for number, array in enumerate(arrays):
        if array.shape != arrays[0].shape or array.dtype.kind not in "biuf":
            got, wanted = f"{array.dtype}{list(array.shape)}", list(arrays[0].shape)
            raise StepError(f"{place}: sample {number}: label: got {got}, wanted numbers of shape {wanted}")
    return np.stack(arrays)
