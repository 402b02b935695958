"""The rules for what is read transposed, where they apply and where their condition just fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.rewrite.graphs import Network, applied


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((1, 3, 8, 6), (0, 2, 3, 1)),
        ((1, 8, 4, 4), (0, 2, 3, 1)),
        ((1, 2, 3, 16), (0, 3, 1, 2)),
        ((1, 3, 16), (0, 2, 1)),
    ],
)
def test_few_planes_become_channels_by_a_convolution(
    shape: tuple[int, ...], order: tuple[int, ...], tmp_path: Path
) -> None:
    """Of an image, of as many planes as there may be, of several axes at once, of a matrix."""
    network = Network(shape)

    operators = applied("convolved_transposes", network, tmp_path, network.transpose("x", order))

    assert operators == ["RESHAPE", "CONV2D", "RESCALE", "RESHAPE"]


@pytest.mark.parametrize(
    ("shape", "order", "kind"),
    [
        ((1, 9, 4, 4), (0, 2, 3, 1), "INT8"),
        ((1, 3, 5, 5), (0, 2, 3, 1), "INT8"),
        ((1, 3, 4, 4), (0, 2, 3, 1), "INT16"),
        ((1, 3, 4, 16), (0, 3, 2, 1), "INT8"),
    ],
    ids=["nine planes", "25 positions", "int16", "three groups"],
)
def test_other_planes_are_transposed(shape: tuple[int, ...], order: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    """The weights would be many, the positions do not fill the channels, or it is another order."""
    network = Network(shape, kind)
    turned = network.add("TRANSPOSE", ["x"], [shape[axis] for axis in order], kind, perms=list(order))

    assert applied("convolved_transposes", network, tmp_path, turned) == []


def reading(weights: list[int], kernel: int = 1) -> tuple[Network, str]:
    """A convolution of a transposed tensor, with one output channel, which has these weights."""
    network = Network((1, 1, len(weights), 5))
    turned = network.transpose("x", (0, 1, 3, 2))
    sums = network.convolution(turned, 1, (1, kernel), -7)
    values = np.repeat(np.array(weights), kernel).reshape(len(weights), kernel).T.reshape(1, 1, kernel, -1)
    network.block.operators[-1].inputs[1] = network.constant(values)
    return network, network.quantised(sums)


@pytest.mark.parametrize("weights", [[1, 1, 1, 0], [0, 0, 3, 0, 2], [0, 5, 5, 0]])
def test_channels_with_weights_of_zero_are_not_transposed(weights: list[int], tmp_path: Path) -> None:
    """At the end, at the beginning, at both; a zero between others stays."""
    network, output = reading(weights)

    assert applied("unread_channels", network, tmp_path, output) == ["SLICE", "TRANSPOSE", "CONV2D", "RESCALE"]


def test_channels_that_are_read_stay(tmp_path: Path) -> None:
    """By a weight, by a larger kernel, by another operator, or because zero is not the weights' zero point."""
    whole, zeros, wide = reading([1, 0, 2]), reading([0, 0, 0]), reading([1, 1, 0], 2)
    shared, moved = reading([1, 1, 0]), reading([1, 1, 0])
    convolution = next(one for one in moved[0].block.operators if one.op == "CONV2D")
    convolution.inputs[4] = moved[0].constant([1])

    for network, *outputs in (whole, zeros, wide, moved, (*shared, "transpose")):
        assert applied("unread_channels", network, tmp_path, *outputs) == []
