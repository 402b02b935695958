"""The rules for convolutions of patches, where they apply and where their condition just fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rewrite.graphs import Network, applied


def patches(shape: tuple[int, ...], kernel: tuple[int, int], **changes: object) -> tuple[Network, str]:
    """A convolution with strides as large as its kernel; changes: of its attribute."""
    network = Network(shape)
    sums = network.convolution("x", 3, kernel, -7, stride=kernel)
    network.block.operators[-1].attribute.update(changes)
    return network, sums


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((1, 8, 12, 3), (4, 4)), ((1, 6, 4, 2), (2, 1)), ((1, 4, 6, 1), (1, 3)), ((1, 4, 6, 2), (4, 3))],
)
def test_patches_become_columns_of_a_batch(shape: tuple[int, ...], kernel: tuple[int, int], tmp_path: Path) -> None:
    """Squares, of one column, of one row, and one row of patches."""
    network, sums = patches(shape, kernel)

    operators = applied("patches", network, tmp_path, network.quantised(sums))

    assert operators == ["RESHAPE", "CONV2D", "RESHAPE", "RESCALE"]


def test_other_convolutions_are_no_patches(tmp_path: Path) -> None:
    """They overlap, leave a gap, have a padding or a dilation, or are of one element."""
    overlapping, gaps, padded, single = (Network((1, 7, 7, 2)) for _ in range(4))
    cases = [
        (overlapping, overlapping.convolution("x", 2, (3, 3), 0, stride=(2, 2))),
        (gaps, gaps.convolution("x", 2, (1, 1), 0, stride=(2, 2))),
        (padded, padded.convolution("x", 2, (2, 2), 0, stride=(2, 2), pad=(1, 0, 0, 1))),
        (single, single.convolution("x", 2, (1, 1), 0)),
    ]
    narrow = Network((1, 3, 4, 2))
    convolution = narrow.convolution("x", 2, (2, 2), 0, stride=(2, 2))
    narrow.block.operators[-1].attribute["dilation"] = [2, 1]
    narrow.block.tensors[convolution].shape = (1, 1, 2, 2)

    for network, sums in (*cases, (narrow, convolution)):
        assert applied("patches", network, tmp_path, network.quantised(sums)) == []


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (3, 2, 5, 2)])
def test_whole_columns_become_one_element(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Of one image, and of a batch as `patches` makes it."""
    network = Network(shape)
    sums = network.convolution("x", 4, (shape[1], 1), 11)
    network.block.tensors[sums].shape = (shape[0], 1, shape[2], 4)

    operators = applied("columns", network, tmp_path, network.quantised(sums))

    assert operators == ["TRANSPOSE", "RESHAPE", "CONV2D", "RESHAPE", "RESCALE"]


@pytest.mark.parametrize(
    ("kernel", "stride", "pad"),
    [
        ((3, 1), (1, 1), (0, 0, 0, 0)),
        ((4, 2), (1, 1), (0, 0, 0, 0)),
        ((4, 1), (1, 2), (0, 0, 0, 0)),
        ((4, 1), (1, 1), (0, 0, 1, 0)),
    ],
    ids=["a row less", "two columns", "every second column", "a padding"],
)
def test_other_columns_stay(
    kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, ...], tmp_path: Path
) -> None:
    """Their elements are not one after the other."""
    network = Network((1, 4, 5, 3))
    sums = network.convolution("x", 2, kernel, 11, stride, pad)

    assert applied("columns", network, tmp_path, network.quantised(sums)) == []


def test_one_row_is_no_column(tmp_path: Path) -> None:
    """A 1x1 convolution stays."""
    network = Network((1, 1, 5, 3))

    assert applied("columns", network, tmp_path, network.quantised(network.convolution("x", 2, (1, 1), 0))) == []
