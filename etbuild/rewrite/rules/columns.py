"""A convolution whose kernel is as high as the image and one column wide becomes a 1x1 convolution.

Condition: CONV2D of int8 images with int32 sums, more than one row, kernel height equal to theirs, width 1, without
strides, padding and dilation; the rule `patches` makes such convolutions.

Exact: after the TRANSPOSE the rows of a column are one after the other, as they are in the kernel: the same products
are added.

It costs a transposition, and saves what Vela needs for a batch of images, which it computes one by one: 5,150 of
184,160 cycles of ViT-tiny on U65-256. On U85-256 it costs as much more, and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etbuild.rewrite.graph import Operator, Tensor
from etbuild.rewrite.rules.patches import int8_weights, replace_convolution

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block


def places(block: Block) -> Iterator[str]:
    """Outputs of the convolutions of whole columns."""
    for operator in block.operators:
        if operator.op == "CONV2D" and _applies(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the convolution whose output is `place`."""
    operator = block.producer(place)
    if operator is None or operator.op != "CONV2D" or not _applies(block, operator):
        return
    source = block.tensors[operator.inputs[0]]
    images, height, width, depth = source.shape
    turned = block.new_name(f"{place}_columns")
    block.tensors[turned] = Tensor(turned, (images, width, height, depth), source.type)
    attribute = {"perms": [0, 2, 1, 3]}
    block.operators.append(Operator("TRANSPOSE", "TransposeAttribute", attribute, [source.name], [turned]))
    operator.inputs[0] = turned
    weights = block.constant(operator.inputs[1])
    shape = (1, images, width, height * depth)
    replace_convolution(block, operator, shape, weights.reshape(len(weights), 1, 1, -1), operator.attribute)


def _applies(block: Block, operator: Operator) -> bool:
    kernel = block.tensors[operator.inputs[1]].shape[1:3]
    height = block.tensors[operator.inputs[0]].shape[1]
    strides = list(operator.attribute["stride"]) == [1, 1]
    return height > 1 and kernel == (height, 1) and strides and int8_weights(block, operator)
