"""A TRANSPOSE that makes a few planes channels, such as NCHW to NHWC, becomes a convolution.

Condition: an int8 tensor, seen as (planes, positions) with at most 8 planes, becomes (positions, planes), and 16
divides the number of positions.

Exact: each output is one input times a weight of 1; all other weights are 0, and the RESCALE behind multiplies by 1.
Seen as height = planes, width = positions / 16 and channels = 16 positions, the kernel is as high as the image, and its
output channels are the 16 positions' planes one after the other, which is the order of the transposed tensor.

It saves Vela's copy of an image into the layout of 16 channels, and reads the image 16 bytes at a time: on U85 with
the image in DRAM that was 84,000 of 101,000 cycles for 96x96x3, and 108 KiB of SRAM. On U55 and U65 it mostly costs
more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etbuild.rewrite.graph import Operator, Tensor
from etbuild.rewrite.rules.sums import convolution
from etbuild.rewrite.rules.transposes import groups

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_MOST_PLANES, _POSITIONS = 8, 16
# The largest width of a tensor on the NPU.
_LARGEST_WIDTH = 1 << 16


def places(block: Block) -> Iterator[str]:
    """Outputs of the transpositions that can be convolutions."""
    for operator in block.operators:
        if operator.op == "TRANSPOSE" and _sizes(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the TRANSPOSE whose output is `place`."""
    import numpy as np

    operator = block.producer(place)
    if operator is None or operator.op != "TRANSPOSE" or (sizes := _sizes(block, operator)) is None:
        return
    planes, width = sizes[0], sizes[1] // _POSITIONS
    channels = planes * _POSITIONS
    weights = np.zeros((_POSITIONS, planes, planes, 1, _POSITIONS), np.int8)
    for position in range(_POSITIONS):
        weights[position, range(planes), range(planes), 0, position] = 1
    rows = _add(block, f"{place}_rows", (1, planes, width, _POSITIONS), "INT8")
    sums = _add(block, f"{place}_sums", (1, 1, width, channels), "INT32")
    moved = _add(block, f"{place}_moved", (1, 1, width, channels), "INT8")
    shapes = [block.add_shape(f"{place}_{i}", block.tensors[of].shape) for i, of in enumerate((rows, place))]
    one = [
        block.add_constant(f"{place}_by_one", np.array([value]), kind)
        for value, kind in ((1 << 30, "INT32"), (30, "INT8"), (0, "INT32"), (0, "INT8"))
    ]
    block.operators += [
        Operator("RESHAPE", "ReshapeAttribute", {}, [operator.inputs[0], shapes[0]], [rows]),
        convolution(block, "CONV2D", rows, weights.reshape(channels, planes, 1, _POSITIONS), 0, sums),
        Operator(
            "RESCALE",
            "RescaleAttribute",
            {"scale32": True, "rounding_mode": "SINGLE_ROUND"},
            [sums, *one],
            [moved],
        ),
        Operator("RESHAPE", "ReshapeAttribute", {}, [moved, shapes[1]], [place]),
    ]
    block.operators.remove(operator)
    block.sort()


def _sizes(block: Block, operator: Operator) -> tuple[int, int] | None:
    """Number of planes and of positions; None for another TRANSPOSE."""
    sizes = groups(block, operator)
    if sizes is None or block.tensors[operator.inputs[0]].type != "INT8":
        return None
    planes, positions = sizes
    fits = planes <= _MOST_PLANES and positions % _POSITIONS == 0 and positions // _POSITIONS <= _LARGEST_WIDTH
    return sizes if fits else None


def _add(block: Block, name: str, shape: tuple[int, ...], kind: str) -> str:
    name = block.new_name(name)
    block.tensors[name] = Tensor(name, shape, kind)
    return name
