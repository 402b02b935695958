"""A TRANSPOSE that exchanges two groups of axes becomes one of two axes.

Condition: the permutation moves the first k axes of a group behind the others, such as NCHW to NHWC, and nothing else.

Exact: RESHAPE changes no element's position in memory, and the elements of a group keep their order in it.

It saves one of the two passes over the tensor that Vela makes of such a permutation on U55 and U65. On U85, which
transposes while it writes, it costs more, so it is not kept there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from etbuild.rewrite.graph import Operator, Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_AXES = 2


def places(block: Block) -> Iterator[str]:
    """Outputs of the transpositions that are one of two groups, and not yet of two axes."""
    for operator in block.operators:
        if operator.op == "TRANSPOSE" and _axes(block, operator) > _AXES and groups(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the TRANSPOSE whose output is `place`."""
    operator = block.producer(place)
    if operator is None or operator.op != "TRANSPOSE" or (sizes := groups(block, operator)) is None:
        return
    kind = block.tensors[place].type
    names = []
    for suffix, shape in (("flat", (1, *sizes)), ("turned", (1, *reversed(sizes)))):
        name = block.new_name(f"{place}_{suffix}")
        block.tensors[name] = Tensor(name, shape, kind)
        names.append(name)
    flat, turned = names
    shapes = [block.add_shape(f"{place}_{i}", block.tensors[of].shape) for i, of in enumerate((flat, place))]
    block.operators += [
        Operator("RESHAPE", "ReshapeAttribute", {}, [operator.inputs[0], shapes[0]], [flat]),
        replace(operator, attribute={"perms": [0, 2, 1]}, inputs=[flat], outputs=[turned]),
        Operator("RESHAPE", "ReshapeAttribute", {}, [turned, shapes[1]], [place]),
    ]
    block.operators.remove(operator)
    block.sort()


def groups(block: Block, operator: Operator) -> tuple[int, int] | None:
    """Sizes of the two groups of axes that a TRANSPOSE exchanges, axes of size 1 apart; None for another one."""
    shape = block.tensors[operator.inputs[0]].shape
    order = [axis for axis in operator.attribute["perms"] if shape[axis] != 1]
    axes = sorted(order)
    if len(axes) < _AXES:
        return None
    first = order.index(axes[0])
    if first == 0 or order[first:] + order[:first] != axes:
        return None
    return prod(shape[axis] for axis in order[first:]), prod(shape[axis] for axis in order[:first])


def _axes(block: Block, operator: Operator) -> int:
    return sum(size != 1 for size in block.tensors[operator.inputs[0]].shape)
