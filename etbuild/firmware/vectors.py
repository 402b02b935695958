"""Test vectors as the block that a firmware takes in; app/vectors.h draws the format. It needs no NumPy."""

from __future__ import annotations

import ast
import hashlib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from etbuild.errors import StepError
from etbuild.pte.program import Tensor
from etbuild.pte.reader import read

_HEAD, _ROW_SIZES = 56, 8


@dataclass(frozen=True)
class Column:
    """One array of an .npz. shape: vectors first. data: its elements in C order, little-endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @property
    def vector_bytes(self) -> int:
        return len(self.data) // self.shape[0] if self.shape[0] else 0

    def vector(self, number: int) -> bytes:
        return self.data[number * self.vector_bytes : (number + 1) * self.vector_bytes]


def read_columns(file: Path, prefix: str) -> tuple[Column, ...]:
    """The arrays PREFIX_0, PREFIX_1... of an uncompressed or compressed .npz."""
    columns: list[Column] = []
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        while f"{prefix}_{len(columns)}.npy" in names:
            name = f"{prefix}_{len(columns)}"
            columns.append(_column(name, archive.read(f"{name}.npy")))
    return tuple(columns)


def vector_block(model: Path, vectors: Path) -> bytes:
    """The whole block for the inputs of golden.npz.

    raises: StepError when the vectors are not the model's.
    """
    plan = read(model).methods[0]
    inputs = [plan.values[index] for index in plan.inputs]
    columns = read_columns(vectors, "input")
    if len(columns) != len(inputs):
        raise StepError(f"{vectors}: got {len(columns)} inputs, wanted the {len(inputs)} of {model}")
    count = columns[0].shape[0] if columns else 1
    rows = b"".join(
        _row(column, tensor, f"{vectors}: {column.name}") for column, tensor in zip(columns, inputs, strict=True)
    )
    head = hashlib.sha256(model.read_bytes()).digest() + rows
    head += bytes(-(_HEAD - 32 + len(head)) % 16)
    data = b"".join(
        _padded(_stored(column, tensor, number))
        for number in range(count)
        for column, tensor in zip(columns, inputs, strict=True)
    )
    body = head + data
    numbers = (1, count, len(columns), zlib.crc32(body), _HEAD - 32 + len(body))
    return b"ETBV" + struct.pack("<5I", *numbers) + body


def _column(name: str, file: bytes) -> Column:
    major = file[6]
    start = 10 if major == 1 else 12
    length = struct.unpack_from("<H" if major == 1 else "<I", file, 8)[0]
    header = ast.literal_eval(file[start : start + length].decode("latin-1"))
    if header["fortran_order"] or header["descr"][0] == ">":
        raise StepError(f"{name}: got a {header['descr']} array in another order, wanted little-endian in C order")
    return Column(name, header["descr"][1:], tuple(header["shape"]), file[start + length :])


def _row(column: Column, tensor: object, place: str) -> bytes:
    shape = column.shape[1:]
    if not isinstance(tensor, Tensor):
        raise StepError(f"{place}: got an array, wanted what the model takes there: a number ({tensor})")
    fits = len(shape) == len(tensor.sizes) and (tensor.dynamism != "static" or shape == tensor.sizes)
    if not fits or len(shape) > _ROW_SIZES:
        raise StepError(f"{place}: got shape {list(shape)}, wanted {list(tensor.sizes)}")
    sizes = [*shape, *[0] * (_ROW_SIZES - len(shape))]
    return struct.pack("<I8iIII", len(shape), *sizes, column.vector_bytes, 0, 0)


def _stored(column: Column, tensor: object, number: int) -> bytes:
    """One vector as it lies in the model's memory."""
    assert isinstance(tensor, Tensor)
    data = column.vector(number)
    if tensor.dim_order == tuple(range(len(tensor.sizes))):
        return data
    shape = column.shape[1:]
    element = len(data) // max(1, prod(shape))
    return permuted(data, shape, tensor.dim_order, element)


def permuted(data: bytes, shape: Sequence[int], order: Sequence[int], element: int) -> bytes:
    """Elements of a dense C-order array, laid out with axis order[0] outermost."""
    steps = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    places = [0]
    for axis in order:
        places = [place + index * steps[axis] for place in places for index in range(shape[axis])]
    return b"".join(data[place * element : (place + 1) * element] for place in places)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)
