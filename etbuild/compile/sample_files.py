"""Reads a file of samples: its arrays by the names of the model's inputs, and its labels. It splits none into samples.

.npz has an array input_<name> for each input that is a tensor, or one array of any name for a model with one tensor;
.npy has that one. .pt has the inputs in the structure of ModelInputs, or a pair of these and of a dict of keyword
inputs for a model with both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etbuild.compile.inputs import Inputs, described, inputs_of, kind
from etbuild.errors import StepError

SUFFIXES = (".npy", ".npz", ".pt", ".pth")


def read_file(file: Path, example: Inputs) -> tuple[dict[str, Any], list[int] | None]:
    """As `read_arrays`, with labels that are classes."""
    found, labels = read_arrays(file, example)
    return found, None if labels is None else _classes(file, labels)


def read_arrays(file: Path, example: Inputs) -> tuple[dict[str, Any], Any]:
    """A tensor for each input of the model that is one, by name, with all samples or a single one; and the array of
    labels, None where there is none.

    raises: StepError when one is missing or unknown, or an input that is no tensor has another value than the example.
    """
    labels = None
    if file.suffix not in SUFFIXES:
        raise StepError(f"{file}: got the suffix {file.suffix}, wanted one of {', '.join(SUFFIXES)}")
    try:
        if file.suffix == ".npz":
            found, labels = _of_archive(file, example)
        else:
            found = _of_value(file, _loaded(file), example)
    except StepError:
        raise
    except Exception as error:
        raise StepError(f"{file}: got {described(error)}, wanted samples") from error
    for name, leaf in example.named:
        if name in found and name not in example.tensors:
            _check_fixed(file, name, found.pop(name), leaf)
    return found, labels


def _classes(file: Path, labels: Any) -> list[int]:
    try:
        return [int(label) for label in labels.reshape(-1)]
    except Exception as error:
        raise StepError(f"{file}: got {described(error)}, wanted samples") from error


def _of_archive(file: Path, example: Inputs) -> tuple[dict[str, Any], Any]:
    import numpy as np
    import torch

    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    labels = arrays.pop("labels", None)
    tensors = example.tensors
    if len(arrays) == 1 == len(tensors):
        arrays = {f"input_{name}": array for name, array in zip(tensors, arrays.values(), strict=True)}
    if any(f"input_{name}" not in arrays for name in tensors):
        wanted = ", ".join(f"input_{name}" for name in tensors)
        raise StepError(f"{file}: got {', '.join(arrays) or 'nothing'}, wanted {wanted}")
    named = {name: arrays[f"input_{name}"] for name, _ in example.named if f"input_{name}" in arrays}
    return {name: torch.from_numpy(array) for name, array in named.items()}, labels


def _loaded(file: Path) -> Any:
    import numpy as np
    import torch

    if file.suffix == ".npy":
        return torch.from_numpy(np.load(file, allow_pickle=False))
    return torch.load(file, weights_only=True)


def _of_value(file: Path, value: Any, example: Inputs) -> dict[str, Any]:
    """value: as ModelInputs."""
    try:
        found = dict(_inputs_like(value, example).named)
    except StepError as error:
        raise StepError(f"{file}: {error}") from None
    tensors = example.tensors
    if not found.keys() <= dict(example.named).keys() or not tensors.keys() <= found.keys():
        raise StepError(f"{file}: got inputs {', '.join(found) or 'nothing'}, wanted {', '.join(tensors)}")
    import torch

    for name in tensors:
        if not isinstance(found[name], torch.Tensor):
            raise StepError(f"{file}: input {name}: got {kind(found[name])}, wanted a tensor")
    return found


def _inputs_like(value: Any, example: Inputs) -> Inputs:
    if not (example.arguments and example.keywords):
        return inputs_of(value)
    if not isinstance(value, tuple | list) or len(value) != 2 or not isinstance(value[1], dict):
        raise StepError(f"got {kind(value)}, wanted a pair: the positional inputs, and a dict of the keyword inputs")
    return inputs_of(*value)


def _check_fixed(file: Path, name: str, given: Any, value: Any) -> None:
    """Of an input that is no tensor. given: its value, or an array with that of each sample."""
    import torch

    values, wanted = [given], value
    if isinstance(given, torch.Tensor):
        values = given.reshape(-1).tolist()
        if given.is_floating_point() and isinstance(value, float):
            wanted = torch.tensor(value, dtype=given.dtype).item()
    for one in values:
        if one != wanted:
            raise StepError(
                f"{file}: input {name}: got {one!r}, wanted {value!r}, to which torch.export fixes it\n"
                "    change the model's example inputs to build it for another value"
            )
