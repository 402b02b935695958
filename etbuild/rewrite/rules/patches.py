"""A convolution of patches that neither overlap nor leave a gap becomes one without strides, of one patch row a batch.

Condition: CONV2D of one int8 image with int32 sums, whose strides are the size of its kernel, without padding and
dilation. Transformers begin with one, and ConvNeXt makes images smaller with it.

Exact: RESHAPE changes no element's position in memory. A row of patches becomes an image of a batch, and the columns
of a patch become channels; the kernel, one column wide, has the same weights at the same elements.

It saves the operations into which Vela divides a convolution with strides of more than 3, one for each output: 4
instead of 16 of equal cycles for ViT's patches of 8x8 in 32x32, 56,000 of 240,160 on U65-256, 74,752 of 177,881 on
U85-256. Where `columns` costs less still, it follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etbuild.rewrite.graph import Operator, Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block


def places(block: Block) -> Iterator[str]:
    """Outputs of the convolutions of patches."""
    for operator in block.operators:
        if operator.op == "CONV2D" and _applies(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the convolution whose output is `place`."""
    operator = block.producer(place)
    if operator is None or operator.op != "CONV2D" or not _applies(block, operator):
        return
    weights = block.constant(operator.inputs[1])
    channels, height, width, depth = weights.shape
    source = block.tensors[operator.inputs[0]]
    rows, columns = source.shape[1] // height, source.shape[2] // width
    shape = (rows, height, columns, width * depth)
    attribute = {**operator.attribute, "stride": [1, 1]}
    replace_convolution(block, operator, shape, weights.reshape(channels, height, 1, -1), attribute)


def replace_convolution(
    block: Block, operator: Operator, shape: tuple[int, ...], weights: Any, attribute: dict[str, Any]
) -> None:
    """Let a convolution read its input in another shape, with other weights; its output keeps name and shape."""
    place = operator.outputs[0]
    kind = block.tensors[operator.inputs[0]].type
    source, sums = block.new_name(f"{place}_patches"), block.new_name(f"{place}_of_patches")
    channels = block.tensors[place].shape[3]
    block.tensors[source] = Tensor(source, shape, kind)
    rows = shape[1] - weights.shape[1] + 1
    block.tensors[sums] = Tensor(sums, (shape[0], rows, shape[2], channels), "INT32")
    shapes = [block.add_shape(f"{source}_{i}", block.tensors[of].shape) for i, of in enumerate((source, place))]
    weight = block.add_constant(operator.inputs[1], weights, "INT8")
    block.operators += [
        Operator("RESHAPE", "ReshapeAttribute", {}, [operator.inputs[0], shapes[0]], [source]),
        Operator("CONV2D", operator.attribute_type, attribute, [source, weight, *operator.inputs[2:]], [sums]),
        Operator("RESHAPE", "ReshapeAttribute", {}, [sums, shapes[1]], [place]),
    ]
    block.operators.remove(operator)
    block.sort()
    block.remove_unused()


def int8_weights(block: Block, operator: Operator) -> bool:
    """Whether a convolution has int8 numbers, constant int8 weights, int32 sums, and neither padding nor dilation."""
    kinds = [block.tensors[name].type for name in (*operator.inputs[:2], operator.outputs[0])]
    plain = not any(operator.attribute.get("pad", ())) and list(operator.attribute.get("dilation", ())) == [1, 1]
    return kinds == ["INT8", "INT8", "INT32"] and plain and block.constant(operator.inputs[1]) is not None


def _applies(block: Block, operator: Operator) -> bool:
    kernel = block.tensors[operator.inputs[1]].shape[1:3]
    shape = block.tensors[operator.inputs[0]].shape
    fits = shape[0] == 1 and shape[1] % kernel[0] == 0 and shape[2] % kernel[1] == 0
    strides = tuple(operator.attribute["stride"]) == kernel != (1, 1)
    return fits and strides and int8_weights(block, operator)
