"""A whole data set, one sample at a time: arrays in files, a folder with a folder for each class, or a function of the
user that yields samples. It runs no model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.sample_files import read_arrays
from etbuild.compile.samples import checked, files_of
from etbuild.errors import StepError
from etbuild.verify.class_folders import class_folders, read_in_folders
from etbuild.verify.yielded_samples import yielded

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.compile.tracked_code import UserCode
    from etbuild.recipe.evaluate_sections import DataSet


@dataclass(frozen=True)
class Dataset:
    """A data set that is open.

    names:  one for each sample.
    read:   the leaves of the model's inputs for a sample by number; any process may call it.
    labels: [samples, ...]; None when the data has none.
    """

    names: tuple[str, ...]
    read: Callable[[int], tuple[Any, ...]]
    labels: Any

    def first(self, count: int | None, source: Path) -> Dataset:
        """The first samples; all for None. raises: StepError when there are fewer, or none at all."""
        wanted = len(self.names) if count is None else count
        if not self.names or wanted > len(self.names):
            raise StepError(f"{source}: got {len(self.names)} samples, wanted {max(wanted, 1)}")
        labels = None if self.labels is None else self.labels[:wanted]
        return Dataset(self.names[:wanted], self.read, labels)


def open_data_set(settings: DataSet, example: Inputs, code: UserCode) -> Dataset:
    """The data set of a recipe.

    example: the model's inputs. code: runs the user's function.
    raises:  StepError with the names of file and input, or the number of the sample, that does not fit the model.
    """
    source = settings.data
    assert source is not None, "a recipe with evaluate has data"
    if source.suffix == ".py":
        names, read, labels = yielded(settings, example, code)
    elif folders := class_folders(source):
        names, read, labels = read_in_folders(source, folders, (settings.mean, settings.std), example)
    else:
        names, read, labels = _of_files(files_of(source), example)
    if (settings.mean or settings.std) and not (source.is_dir() and class_folders(source)):
        raise StepError(
            f"{source}: evaluate.mean, evaluate.std: got them for data without images, wanted a folder of images a "
            "class\n    normalise the arrays where they are made"
        )
    return Dataset(names, read, labels).first(settings.samples, source)


def _of_files(files: Sequence[Path], example: Inputs) -> tuple[tuple[str, ...], Callable[[int], Any], Any]:
    """Files with arrays, whose first axis counts samples."""
    import numpy as np

    parts, labels, names = [], [], list[str]()
    for file in files:
        arrays, own = read_arrays(file, example)
        columns = {name: checked(file, name, arrays[name], leaf) for name, leaf in example.tensors.items()}
        counts = sorted({len(column) for column in columns.values()} or {1})
        if len(counts) > 1:
            raise StepError(f"{file}: got {counts} samples for the inputs, wanted the same number for each")
        if own is not None and len(np.atleast_1d(own)) != counts[0]:
            raise StepError(f"{file}: labels: got {len(np.atleast_1d(own))}, wanted {counts[0]}, one per sample")
        parts += [(columns, number) for number in range(counts[0])]
        names += [f"{file.name}#{number}" for number in range(counts[0])]
        labels += [] if own is None else [np.atleast_1d(own)]
    if labels and sum(map(len, labels)) != len(parts):
        raise StepError(
            f"{files[0].parent}: got {sum(map(len, labels))} labels for {len(parts)} samples, "
            "wanted one per sample or none"
        )

    def read(number: int) -> tuple[Any, ...]:
        columns, row = parts[number]
        return tuple(
            columns[name][row].reshape(leaf.shape).to(leaf.dtype) if name in columns else leaf
            for name, leaf in example.named
        )

    return tuple(names), read, _joined(files[0], labels)


def _joined(file: Path, labels: Sequence[Any]) -> Any:
    import numpy as np

    if not labels:
        return None
    shapes = sorted({one.shape[1:] for one in labels})
    if len(shapes) > 1:
        raise StepError(f"{file.parent}: labels: got {shapes[0]} and {shapes[1]} a sample, wanted one shape")
    return np.concatenate(labels)
