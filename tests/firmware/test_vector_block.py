"""Test vectors as the block that the firmware reads."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from images import write_inputs

from etbuild.errors import StepError
from etbuild.firmware.vectors import permuted, read_columns, vector_block


def test_vectors_become_the_block_that_the_firmware_reads(tmp_path: Path) -> None:
    """Header, one row per input, and the data at a multiple of 16; app/vectors.h describes it."""
    write_inputs(tmp_path, "linear_cpu.pte")

    block = vector_block(tmp_path / "model.pte", tmp_path / "golden.npz")

    with np.load(tmp_path / "golden.npz") as file:
        inputs = file["input_0"]
    assert block[:4] == b"ETBV"
    version, count, columns, crc, size = struct.unpack_from("<5I", block, 4)
    assert (version, count, columns, size) == (1, 3, 1, len(block))
    assert crc == zlib.crc32(block[24:])
    assert block[24:56] == hashlib.sha256((tmp_path / "model.pte").read_bytes()).digest()
    rank, *sizes_, length = struct.unpack_from("<I8iI", block, 56)
    assert (sizes_[:rank], length) == (list(inputs.shape[1:]), inputs[0].nbytes)
    stride = (length + 15) // 16 * 16
    data = [block[112 + number * stride :][:length] for number in range(3)]
    assert data == [one.tobytes() for one in inputs]


def test_vectors_of_another_shape_are_an_error(tmp_path: Path) -> None:
    """With both shapes."""
    write_inputs(tmp_path, "linear_cpu.pte")
    np.savez(tmp_path / "golden.npz", input_0=np.zeros((1, 2, 3), np.float32))

    with pytest.raises(StepError, match=r"input_0: got shape \[2, 3\], wanted \["):
        vector_block(tmp_path / "model.pte", tmp_path / "golden.npz")


def test_arrays_are_read_as_numpy_writes_them(tmp_path: Path) -> None:
    """Uncompressed and compressed."""
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.savez(tmp_path / "plain.npz", input_0=array)
    np.savez_compressed(tmp_path / "small.npz", input_0=array)

    for name in ("plain.npz", "small.npz"):
        (column,) = read_columns(tmp_path / name, "input")
        assert (column.shape, column.dtype, column.vector(1)) == ((2, 3), "i2", array[1].tobytes())


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_elements_are_laid_out_in_the_order_of_the_dimensions(order: tuple[int, ...]) -> None:
    """As numpy's transpose does."""
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)

    assert permuted(array.tobytes(), array.shape, order, 4) == array.transpose(order).tobytes()
