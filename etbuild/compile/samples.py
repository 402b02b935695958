"""Samples of a model's inputs, read from files or random, and their labels if there are any.

The first axis of an array counts samples, unless the array has exactly the shape of the model's input: then it is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.sample_files import SUFFIXES, read_file
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.recipe.data_sections import Data


@dataclass(frozen=True)
class Samples:
    """Samples for calibration or for test vectors.

    inputs: one tuple per sample, with the leaves of the model's inputs; tensors have their shapes and dtypes.
    labels: one class number per sample; None when the data has none.
    """

    inputs: tuple[tuple[Any, ...], ...]
    labels: tuple[int, ...] | None = None


def read_samples(data: Data, example: Inputs, random_count: int) -> Samples:
    """The samples that a section of a recipe describes.

    example:      the model's example inputs; without data they are the first sample.
    random_count: number of random samples that follow it, unless the section says how many samples there are.
    raises:       StepError with the names of file and input when an array does not fit the model.
    """
    if data.data is None:
        count = random_count if data.samples is None else data.samples - 1
        return Samples((example.leaves, *_random_samples(example.leaves, count, data.seed or 0)))
    inputs: list[tuple[Any, ...]] = []
    labels: list[int] = []
    files = files_of(data.data)
    for file in files:
        arrays, file_labels = read_file(file, example)
        found = _split(file, arrays, example)
        if file_labels is not None and len(file_labels) != len(found):
            raise StepError(f"{file}: labels: got {len(file_labels)}, wanted {len(found)}, one per sample")
        inputs += found
        labels += file_labels or []
    if labels and len(labels) != len(inputs):
        raise StepError(
            f"{data.data}: got {len(labels)} labels for {len(inputs)} samples, wanted one per sample or none"
        )
    chosen = _choose(data, len(inputs))
    return Samples(tuple(inputs[i] for i in chosen), tuple(labels[i] for i in chosen) if labels else None)


def _random_samples(example: Sequence[Any], count: int, seed: int) -> list[tuple[Any, ...]]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [tuple(_like(leaf, generator) for leaf in example) for _ in range(count)]


def _like(value: Any, generator: Any) -> Any:
    """Random values in the range of a tensor's values; widened by 1 on both sides when they are all equal."""
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    if value.dtype == torch.bool:
        return torch.randint(0, 2, value.shape, generator=generator).bool()
    low, high = (value.min().item(), value.max().item()) if value.numel() else (0, 0)
    if value.dtype.is_floating_point:
        low, high = (low - 1, high + 1) if low == high else (low, high)
        return (torch.rand(value.shape, generator=generator) * (high - low) + low).to(value.dtype)
    return torch.randint(int(low), int(high) + 1, value.shape, generator=generator).to(value.dtype)


def files_of(path: Path) -> list[Path]:
    """The files with the samples at a path: itself, or those in a folder. raises: StepError where there are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StepError(f"{path}: got no such file or folder, wanted samples")
    # A hidden file is an editor's or a system's own.
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    if not found:
        raise StepError(f"{path}: got a folder without samples, wanted files ending in {', '.join(SUFFIXES)}")
    return found


def _split(file: Path, arrays: Mapping[str, Any], example: Inputs) -> list[tuple[Any, ...]]:
    """The samples of one file. arrays: by the name of the input; inputs that are no tensors keep their value."""
    columns = {name: _column(file, name, arrays[name], leaf) for name, leaf in example.tensors.items()}
    counts = [len(column) for column in columns.values()] or [1]
    if len(set(counts)) > 1:
        raise StepError(f"{file}: got {counts} samples for the inputs, wanted the same number for each")
    return list(
        zip(*(columns[name] if name in columns else [leaf] * counts[0] for name, leaf in example.named), strict=True)
    )


def _column(file: Path, name: str, array: Any, example: Any) -> list[Any]:
    """The samples of one input, each in the shape and dtype of its example."""
    samples = checked(file, name, array, example)
    return [sample.reshape(example.shape).to(example.dtype) for sample in samples]


def checked(file: Path, name: str, array: Any, example: Any) -> Any:
    """An array of one input, [samples, ...]. raises: StepError when it does not fit the example of the input."""
    import torch

    if array.shape == example.shape:
        samples = array.unsqueeze(0)
    elif array.dim() and array.shape[0] and array[0].numel() == example.numel():
        samples = array
    else:
        raise StepError(
            f"{file}: input {name}: got an array of {list(array.shape)}, "
            f"wanted [samples, ...] with samples of {list(example.shape)}"
        )
    if array.dtype.is_floating_point and not example.dtype.is_floating_point:
        raise StepError(f"{file}: input {name}: got {array.dtype}, wanted {example.dtype}")
    if array.dtype.is_floating_point and not torch.isfinite(array).all():
        raise StepError(f"{file}: input {name}: got NaN or infinity, wanted finite values")
    return samples


def _choose(data: Data, count: int) -> list[int]:
    """The numbers of the samples to use, in order: the first ones, or with a seed a random choice."""
    if count == 0:
        raise StepError(f"{data.data}: got no samples, wanted at least one")
    wanted = count if data.samples is None else data.samples
    if wanted > count:
        raise StepError(f"{data.data}: got {count} samples, wanted {wanted}")
    if data.seed is None:
        return list(range(wanted))
    import torch

    order = torch.randperm(count, generator=torch.Generator().manual_seed(data.seed))
    return sorted(int(i) for i in order[:wanted])
