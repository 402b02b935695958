"""A sum over height and width becomes a convolution with weights of one.

Condition: REDUCE_SUM over both axes of an int8 tensor that a RESCALE by one turned into int32 (how a mean is lowered).
A SLICE before it, which the mean of a part of the tensor has, becomes weights of zero.

Exact: both are the same sum of the same integers in int32, which cannot overflow with fewer than 2^23 positions.

It saves the transpositions of the tensor that Vela makes of each REDUCE_SUM whose axis is not the last, and the copy
of the SLICE. There are two forms, and Vela's estimate decides: `sums` turns height and width into channels of a 1x1
convolution, `depthwise_sums` makes them the kernel of a depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from etbuild.rewrite.graph import Operator, Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_LARGEST_SUM = 1 << 16


class Sum(NamedTuple):
    """A sum over height and width. source: the int8 tensor; weights: 1 where a position counts, (height, width)."""

    source: str
    zero_point: int
    weights: Any


def places(block: Block) -> Iterator[str]:
    """Outputs of the sums that can be convolutions."""
    for operator in block.operators:
        if operator.op == "REDUCE_SUM" and found(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the sum whose output is `place`."""
    import numpy as np

    operator = block.producer(place)
    if operator is None or (sum_ := found(block, operator)) is None:
        return
    tensor = block.tensors[sum_.source]
    positions, channels = sum_.weights.size, tensor.shape[3]
    flat = _add(block, f"{place}_flat", (1, 1, positions, channels), tensor.type)
    turned = _add(block, f"{place}_turned", (1, 1, channels, positions), tensor.type)
    column = _add(block, f"{place}_column", (1, 1, channels, 1), "INT32")
    shapes = [
        block.add_shape(f"{place}_{name}", block.tensors[of].shape) for name, of in (("flat", flat), ("row", place))
    ]
    weights = np.asarray(sum_.weights, np.int8).reshape(1, 1, 1, positions)
    block.operators += [
        Operator("RESHAPE", "ReshapeAttribute", {}, [sum_.source, shapes[0]], [flat]),
        Operator("TRANSPOSE", "TransposeAttribute", {"perms": [0, 1, 3, 2]}, [flat], [turned]),
        convolution(block, "CONV2D", turned, weights, sum_.zero_point, column),
        Operator("RESHAPE", "ReshapeAttribute", {}, [column, shapes[1]], [place]),
    ]
    block.operators.remove(operator)
    block.sort()
    block.remove_unused()


def found(block: Block, operator: Operator) -> Sum | None:
    """The sum over height and width that a REDUCE_SUM ends; None when it ends none, or not one of int8."""
    import numpy as np

    first = block.producer(operator.inputs[0])
    if first is None or first.op != "REDUCE_SUM" or not block.has_one_user(operator.inputs[0]):
        return None
    if sorted(one.attribute.get("axis", 0) for one in (first, operator)) != [1, 2]:
        return None
    rescale = block.producer(first.inputs[0])
    zero_point = None if rescale is None else _zero_point(block, rescale)
    if rescale is None or zero_point is None:
        return None
    source = rescale.inputs[0]
    shape = block.tensors[source].shape
    if len(shape) != 4 or shape[0] != 1:
        return None
    weights = np.ones(shape[1:3], np.int8)
    above = block.producer(source)
    if above is not None and above.op == "SLICE":
        start, size = (block.shapes[name] for name in above.inputs[1:3])
        whole = block.tensors[above.inputs[0]].shape
        if start[3] == 0 and size[3] == whole[3]:
            source, weights = above.inputs[0], np.zeros(whole[1:3], np.int8)
            weights[start[1] : start[1] + size[1], start[2] : start[2] + size[2]] = 1
    return Sum(source, zero_point, weights) if weights.size <= _LARGEST_SUM else None


def convolution(block: Block, kind: str, source: str, weights: Any, zero_point: int, output: str) -> Operator:
    """A CONV2D or DEPTHWISE_CONV2D without padding, bias 0, with int32 results."""
    import numpy as np

    channels = block.tensors[output].shape[3]
    inputs = [
        source,
        block.add_constant(f"{output}_weights", weights, "INT8"),
        block.add_constant(f"{output}_bias", np.zeros(channels), "INT32"),
        block.add_constant(f"{output}_input_zp", np.array([zero_point]), "INT8"),
        block.add_constant(f"{output}_weight_zp", np.array([0]), "INT8"),
    ]
    attribute = {"pad": [0, 0, 0, 0], "stride": [1, 1], "dilation": [1, 1], "acc_type": "INT32"}
    return Operator(
        kind, "Conv2dAttribute" if kind == "CONV2D" else "DepthwiseConv2dAttribute", attribute, inputs, [output]
    )


def _zero_point(block: Block, rescale: Operator) -> int | None:
    """The zero point of the int8 numbers that a RESCALE turns into int32 unchanged; None for another operator."""
    types = [block.tensors[name].type for name in (rescale.inputs[0], rescale.outputs[0])]
    if rescale.op != "RESCALE" or rescale.attribute.get("per_channel") or types != ["INT8", "INT32"]:
        return None
    if rescale.attribute.get("input_unsigned") or rescale.attribute.get("output_unsigned"):
        return None
    values = [block.constant(name) for name in rescale.inputs[1:5]]
    if any(value is None for value in values):
        return None
    multiplier, shift, input_zero, output_zero = (int(value.ravel()[0]) for value in values if value is not None)
    return input_zero if multiplier == 1 << shift and output_zero == 0 else None


def _add(block: Block, name: str, shape: tuple[int, ...], kind: str) -> str:
    name = block.new_name(name)
    block.tensors[name] = Tensor(name, shape, kind)
    return name
