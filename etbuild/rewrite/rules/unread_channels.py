"""What a convolution multiplies with zero is not transposed for it.

Condition: a 1x1 convolution has weights of zero for its first or last input channels, the zero point of the weights is
0, and a TRANSPOSE that nothing else reads exchanges the last two axes of its input.

Exact: a number times zero adds nothing to the sum, whatever the number is.

It saves a part of the transposition, and on U85 makes the rest cheaper where 8 divides the channels that are left: the
rule `sums` gives a sum over a part of the rows such weights. MLPerf Tiny's kws has 1,104 of 57,006 cycles less. On U55
the part is copied before, so it costs more and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etbuild.rewrite.graph import Operator, Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_LAST_TWO = [0, 1, 3, 2]


def places(block: Block) -> Iterator[str]:
    """Outputs of the convolutions that do not read all that is transposed for them."""
    for operator in block.operators:
        if operator.op == "CONV2D" and _found(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the convolution whose output is `place`."""
    operator = block.producer(place)
    found = operator and _found(block, operator)
    if operator is None or not found:
        return
    turn, weights, first, after = found
    source = block.tensors[turn.inputs[0]]
    starts = (0, 0, first, 0)
    sizes = (1, 1, after - first, source.shape[3])
    part, turned = (block.new_name(f"{turn.outputs[0]}_{what}") for what in ("part", "of_part"))
    block.tensors[part] = Tensor(part, sizes, source.type)
    block.tensors[turned] = Tensor(turned, (1, 1, sizes[3], sizes[2]), source.type)
    shapes = [block.add_shape(f"{part}_{name}", values) for name, values in (("start", starts), ("size", sizes))]
    read = block.add_constant(operator.inputs[1], weights[..., first:after], "INT8")
    block.operators += [
        Operator("SLICE", "SliceAttribute", {}, [source.name, *shapes], [part]),
        replace(turn, inputs=[part], outputs=[turned]),
    ]
    operator.inputs[:2] = [turned, read]
    block.sort()
    block.remove_unused()


def _found(block: Block, operator: Operator) -> tuple[Operator, Any, int, int] | None:
    """The TRANSPOSE, the weights, and the range of input channels that they read; None where they read all."""
    turn = block.producer(operator.inputs[0])
    if turn is None or turn.op != "TRANSPOSE" or list(turn.attribute["perms"]) != _LAST_TWO:
        return None
    weights, zero = block.constant(operator.inputs[1]), block.constant(operator.inputs[4])
    if weights is None or zero is None or block.tensors[operator.inputs[1]].type != "INT8" or zero.any():
        return None
    channels = weights.any(axis=(0, 1, 2)).nonzero()[0]
    single = weights.shape[1:3] == (1, 1) and not any(operator.attribute.get("pad", ()))
    if not single or not channels.size or not block.has_one_user(turn.outputs[0]):
        return None
    first, after = int(channels[0]), int(channels[-1]) + 1
    return (turn, weights, first, after) if after - first < weights.shape[3] else None
