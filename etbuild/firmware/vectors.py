"""Converts test vectors to the binary block in a firmware, in the format of runtime/app/vectors.h, without numpy."""

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
from etbuild.pte.program import Method, Tensor
from etbuild.pte.reader import read

# Bytes before the rows, and sizes per row.
_HEAD, _ROW_SIZES = 56, 8


@dataclass(frozen=True)
class Column:
    """An array of an .npz. shape: [vectors, ...]. data: the elements in C order, little-endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @property
    def vector_bytes(self) -> int:
        """Size of one vector."""
        return len(self.data) // self.shape[0] if self.shape[0] else 0

    def vector(self, number: int) -> bytes:
        """The elements of one vector."""
        return self.data[number * self.vector_bytes : (number + 1) * self.vector_bytes]


def read_columns(file: Path, prefix: str) -> tuple[Column, ...]:
    """The arrays <prefix>_0, <prefix>_1... of an .npz.

    raises: StepError for an array that is big-endian or in Fortran order.
    """
    columns: list[Column] = []
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        while f"{prefix}_{len(columns)}.npy" in names:
            name = f"{prefix}_{len(columns)}"
            columns.append(_column(name, archive.read(f"{name}.npy")))
    return tuple(columns)


def vector_block(model: Path, vectors: Path) -> bytes:
    """The block with the inputs of golden.npz, or those of all methods one after the other.

    model, vectors: a .pte and the golden.npz of its profile; of a program with several methods the folder with one a
                    method.
    raises:         StepError when the vectors do not fit the model's inputs.
    """
    methods = read(model).methods
    if not vectors.is_dir():
        return _block(model, methods[0], vectors)
    return b"".join(_block(model, method, vectors / f"{method.name}.npz") for method in methods)


def _block(model: Path, method: Method, vectors: Path) -> bytes:
    """Its size is a multiple of 16."""
    inputs = [method.values[index] for index in method.inputs]
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
    """source: the .npy format, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"""
    major = file[6]
    start = 10 if major == 1 else 12
    length = struct.unpack_from("<H" if major == 1 else "<I", file, 8)[0]
    header = ast.literal_eval(file[start : start + length].decode("latin-1"))
    if header["fortran_order"] or header["descr"][0] == ">":
        raise StepError(f"{name}: got a {header['descr']} array, wanted one that is little-endian and in C order")
    return Column(name, header["descr"][1:], tuple(header["shape"]), file[start + length :])


def _row(column: Column, value: object, label: str) -> bytes:
    """The row of one input. value: of the program. label: of the array, for messages."""
    shape = column.shape[1:]
    if isinstance(value, Tensor):
        fits = len(shape) == len(value.sizes) and (value.dynamism != "static" or shape == value.sizes)
        wanted = str(list(value.sizes))
    elif isinstance(value, bool | int | float):
        fits, wanted = shape == (), "[], a number"
    else:
        # A text or None has no bytes: the program has it.
        fits, wanted = shape == (0,), "[0], nothing"
        shape = ()
    if not fits or len(shape) > _ROW_SIZES:
        raise StepError(f"{label}: got shape {list(column.shape[1:])}, wanted {wanted}")
    sizes = [*shape, *[0] * (_ROW_SIZES - len(shape))]
    return struct.pack("<I8iIII", len(shape), *sizes, column.vector_bytes, 0, 0)


def _stored(column: Column, tensor: object, number: int) -> bytes:
    """One vector in the order of the model's memory."""
    data = column.vector(number)
    if not isinstance(tensor, Tensor) or tensor.dim_order == tuple(range(len(tensor.sizes))):
        return data
    shape = column.shape[1:]
    element = len(data) // max(1, prod(shape))
    return permuted(data, shape, tensor.dim_order, element)


def permuted(data: bytes, shape: Sequence[int], order: Sequence[int], element: int) -> bytes:
    """A dense array in C order with its axes in another order.

    data:    elements in C order. shape: of the array.
    order:   axes, outermost first.
    element: bytes of one element.
    """
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    indices = [0]
    for axis in order:
        indices = [start + index * strides[axis] for start in indices for index in range(shape[axis])]
    return b"".join(data[index * element : (index + 1) * element] for index in indices)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)
