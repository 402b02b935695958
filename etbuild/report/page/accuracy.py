"""Answers of a classifier on its test vectors, from golden.npz: the confusion matrix, samples. It runs no model."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any, NamedTuple

# More classes than this make no table that anybody reads; more samples no page.
MOST_CLASSES, MOST_SAMPLES = 32, 24
SMALLEST_IMAGE, LARGEST_IMAGE = 8, 64


class Sample(NamedTuple):
    """One test vector. image: a PNG as a data URL, "" for an input that is none."""

    number: int
    label: int
    float_answer: int
    answer: int
    image: str

    @property
    def is_right(self) -> bool:
        return self.label == self.answer


class Answers(NamedTuple):
    """confusion: [label][answer] of the expected outputs; empty for too many classes."""

    classes: int
    confusion: tuple[tuple[int, ...], ...]
    samples: tuple[Sample, ...]
    vectors: int


def answers_of(golden: Path) -> Answers | None:
    """What golden.npz says about a classifier; None for vectors without labels."""
    import numpy as np

    with np.load(golden) as file:
        if not {"labels", "output_0", "float_0"} <= set(file.files):
            return None
        labels = file["labels"].reshape(-1)
        answer, float_answer = (file[name].reshape(len(labels), -1) for name in ("output_0", "float_0"))
        images = file["input_0"] if "input_0" in file.files else None
    classes = answer.shape[1]
    found, wanted = answer.argmax(1), float_answer.argmax(1)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, found), 1)
    samples = tuple(
        Sample(row, int(labels[row]), int(wanted[row]), int(found[row]), "" if images is None else _image(images[row]))
        for row in range(min(len(labels), MOST_SAMPLES))
    )
    table = tuple(tuple(map(int, row)) for row in confusion) if classes <= MOST_CLASSES else ()
    return Answers(classes, table, samples, len(labels))


def _image(array: Any) -> str:
    """An input as a small PNG: [1, 1 or 3, height, width]; "" for another shape."""
    import numpy as np

    values = array.reshape(array.shape[-3:]) if array.ndim >= 3 else array
    if values.ndim != 3 or values.shape[0] not in (1, 3):
        return ""
    if not SMALLEST_IMAGE <= min(values.shape[1:]) <= max(values.shape[1:]) <= LARGEST_IMAGE:
        return ""
    low, high = float(values.min()), float(values.max())
    bytes_ = np.rint((values - low) * (255 / (high - low or 1))).astype(np.uint8).transpose(1, 2, 0)
    height, width, channels = bytes_.shape
    rows = b"".join(b"\0" + row.tobytes() for row in bytes_)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
