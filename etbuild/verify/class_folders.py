"""Samples in a folder with one folder a class: images, or arrays in .npy files. The classes are the folders in order.

Images become what the model's input is: as many channels and pixels, values 0 to 1, then (value - mean) / std. An input
of 8 bits gets the pixels as they are, less 128 where it is signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".gif", ".webp")
_SUFFIXES = (*IMAGES, ".npy")


def class_folders(path: Path) -> list[Path]:
    """The folders in a folder, in order of their names; [] for a file, and for a folder without folders."""
    inside = sorted(path.iterdir()) if path.is_dir() else []
    return [one for one in inside if one.is_dir() and not one.name.startswith(".")]


def read_in_folders(
    path: Path, folders: Sequence[Path], normal: tuple[Sequence[float], Sequence[float]], example: Inputs
) -> tuple[tuple[str, ...], Callable[[int], tuple[Any, ...]], Any]:
    """Names, reader and labels of the samples. normal: mean and standard deviation for images.

    raises: StepError for a model with other inputs than one tensor, and for folders without samples.
    """
    import numpy as np

    if len(example.tensors) != 1:
        raise StepError(f"{path}: got a folder a class, wanted samples of the inputs {', '.join(example.tensors)}")
    files = [[one for one in sorted(folder.iterdir()) if _is_sample(one)] for folder in folders]
    for folder, own in zip(folders, files, strict=True):
        if not own:
            raise StepError(f"{folder}: got a folder without samples, wanted files ending in {', '.join(_SUFFIXES)}")
    listed = [file for own in files for file in own]
    labels = np.repeat(np.arange(len(folders)), [len(own) for own in files])
    leaf = next(iter(example.tensors.values()))

    def read(number: int) -> tuple[Any, ...]:
        found = _sample(listed[number], leaf, normal)
        return tuple(found if value is leaf else value for value in example.leaves)

    return tuple(file.relative_to(path).as_posix() for file in listed), read, labels


def _is_sample(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")


def _sample(file: Path, leaf: Any, normal: tuple[Sequence[float], Sequence[float]]) -> Any:
    import numpy as np
    import torch

    if file.suffix.lower() != ".npy":
        return _pixels(file, leaf, normal)
    try:
        array = torch.from_numpy(np.load(file, allow_pickle=False))
    except (OSError, ValueError, TypeError) as error:
        raise StepError(f"{file}: got {type(error).__name__}, wanted an array") from error
    if array.numel() != leaf.numel():
        raise StepError(f"{file}: got an array of {list(array.shape)}, wanted {list(leaf.shape)}")
    if array.is_floating_point() and not leaf.is_floating_point():
        raise StepError(f"{file}: got {array.dtype}, wanted {leaf.dtype}")
    return array.reshape(leaf.shape).to(leaf.dtype)


def _pixels(file: Path, leaf: Any, normal: tuple[Sequence[float], Sequence[float]]) -> Any:
    """An image as the model's input."""
    import numpy as np
    import torch
    from PIL import Image

    channels, height, width, is_last = _layout(file, leaf)
    try:
        with Image.open(file) as image:
            shown = image.convert("L" if channels == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(shown).reshape(height, width, channels)
    except (OSError, ValueError) as error:
        raise StepError(f"{file}: got no image that can be read, wanted one of {', '.join(IMAGES)}") from error
    if leaf.is_floating_point():
        mean, std = (_channels(name, part, channels) for name, part in zip(("mean", "std"), normal, strict=True))
        values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    else:
        values = pixels.astype(np.int16) - (128 if leaf.dtype == torch.int8 else 0)
    placed = torch.from_numpy(np.ascontiguousarray(values if is_last else values.transpose(2, 0, 1)))
    return placed.reshape(leaf.shape).to(leaf.dtype)


def _layout(file: Path, leaf: Any) -> tuple[int, int, int, bool]:
    """Channels, height and width of the input, and whether the channels come last."""
    shape = tuple(leaf.shape)
    if len(shape) == 4 and shape[0] == 1 and shape[1] in (1, 3):
        return shape[1], shape[2], shape[3], False
    if len(shape) == 4 and shape[0] == 1 and shape[3] in (1, 3):
        return shape[3], shape[1], shape[2], True
    raise StepError(
        f"{file}: got an image for the input {list(shape)}, wanted [1, 1 or 3, height, width]\n"
        "    a function in a .py can make the samples: evaluate: {data: FILE.py}"
    )


def _channels(name: str, given: Sequence[float], channels: int) -> Any:
    """One value a channel."""
    import numpy as np

    values = given or ((0.0,) if name == "mean" else (1.0,))
    if len(values) not in (1, channels):
        raise StepError(f"evaluate.{name}: got {len(values)} values, wanted 1 or {channels}, one for each channel")
    if name == "std" and not all(value > 0 for value in values):
        raise StepError(f"evaluate.std: got {min(values):g}, wanted values above 0")
    return np.asarray(values, np.float32)
