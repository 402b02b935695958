"""A PAD before a convolution or a maximum pool becomes the padding of that operator.

Condition: only axes of height and width are padded, and what is padded with is what the operator takes for its own
padding: a convolution the zero point of its input, a maximum pool the smallest number of its type. TRANSPOSE and
RESHAPE may stand between them, where the latter only moves axes of size 1; nothing else reads what is between.

Exact: the operator computes with the same numbers at the same positions; only where they come from differs.

It saves a copy of the whole tensor and up to four of its borders. PyTorch has no convolution with different paddings
on opposite sides, so networks with such paddings have PADs in the graph; TOSA's and Vela's convolution have four.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etbuild.rewrite.graph import Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block, Operator

_CONVOLUTIONS = ("CONV2D", "DEPTHWISE_CONV2D")
_SMALLEST = {"INT8": -128, "INT16": -32768}
# Beyond these the NPU has no padding of its own: Vela would make a copy again.
_LARGEST = 127


def places(block: Block) -> Iterator[str]:
    """Outputs of the operators that can take their PAD."""
    for operator in block.operators:
        if _found(block, operator):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the operator whose output is `place`."""
    operator = block.producer(place)
    found = operator and _found(block, operator)
    if not operator or not found:
        return
    pad, between, pads = found
    name = pad.inputs[0]
    for one in reversed(between):
        name = _without_pad(block, one, name)
    operator.inputs[0] = name
    own = operator.attribute.get("pad", (0, 0, 0, 0))
    operator.attribute = {**operator.attribute, "pad": [a + b for a, b in zip(own, pads, strict=True)]}
    block.sort()
    block.remove_unused()


def _found(block: Block, operator: Operator) -> tuple[Operator, list[Operator], list[int]] | None:
    """The PAD, the operators between it and this one, nearest to this one first, and the padding to be added."""
    if operator.op not in (*_CONVOLUTIONS, "MAX_POOL2D"):
        return None
    between: list[Operator] = []
    name = operator.inputs[0]
    while (above := block.producer(name)) and above.op in ("TRANSPOSE", "RESHAPE") and block.has_one_user(name):
        between.append(above)
        name = above.inputs[0]
    if above is None or above.op != "PAD" or (between and not block.has_one_user(name)):
        return None
    pads: Sequence[int] | None = block.shapes.get(above.inputs[1])
    for one in reversed(between):
        pads = pads and _moved(block, one, pads)
    if not pads or len(pads) != 8 or any(pads[:2]) or any(pads[6:]):
        return None
    own = operator.attribute.get("pad", (0, 0, 0, 0))
    whole = [a + b for a, b in zip(own, pads[2:6], strict=True)]
    fits = max(whole) <= _LARGEST and (operator.op != "MAX_POOL2D" or _pool_takes(operator, whole))
    return (above, between, list(pads[2:6])) if fits and _same_value(block, operator, above) else None


def _pool_takes(operator: Operator, pads: Sequence[int]) -> bool:
    """Whether a pool may have this padding: TOSA allows less than its kernel."""
    height, width = operator.attribute["kernel"]
    return bool(max(pads[:2]) < height and max(pads[2:]) < width)


def _same_value(block: Block, operator: Operator, pad: Operator) -> bool:
    value = block.constant(pad.inputs[2])
    if value is None:
        return False
    if operator.op == "MAX_POOL2D":
        return _SMALLEST.get(block.tensors[operator.inputs[0]].type) == int(value.ravel()[0])
    zero = block.constant(operator.inputs[3])
    return bool(zero is not None and int(value.ravel()[0]) == int(zero.ravel()[0]))


def _moved(block: Block, operator: Operator, pads: Sequence[int]) -> list[int] | None:
    """The padding behind a TRANSPOSE or RESHAPE that is the same as this one before it; None when there is none."""
    if operator.op == "TRANSPOSE":
        return [value for axis in operator.attribute["perms"] for value in pads[2 * axis : 2 * axis + 2]]
    before, after = (block.tensors[name].shape for name in (operator.inputs[0], operator.outputs[0]))
    padded = [axis for axis in range(len(before)) if before[axis] != 1]
    targets = [axis for axis in range(len(after)) if after[axis] != 1]
    moves = [before[axis] for axis in padded] == [after[axis] for axis in targets]
    if not moves or any(any(pads[2 * axis : 2 * axis + 2]) for axis in range(len(before)) if axis not in padded):
        return None
    moved = [0] * (2 * len(after))
    for axis, target in zip(padded, targets, strict=True):
        moved[2 * target : 2 * target + 2] = pads[2 * axis : 2 * axis + 2]
    return moved


def _without_pad(block: Block, operator: Operator, source: str) -> str:
    """A copy of a TRANSPOSE or RESHAPE that reads the tensor `source`; returns its output's name."""
    tensor, old = block.tensors[source], block.tensors[operator.outputs[0]]
    if operator.op == "TRANSPOSE":
        shape = tuple(tensor.shape[axis] for axis in operator.attribute["perms"])
        inputs = [source]
    else:
        rest = iter(
            size for size, whole in zip(tensor.shape, _shape_before(block, operator), strict=True) if whole != 1
        )
        shape = tuple(1 if size == 1 else next(rest) for size in old.shape)
        inputs = [source, block.add_shape(f"{old.name}_without_pad", shape)]
    name = block.new_name(f"{old.name}_without_pad")
    block.tensors[name] = Tensor(name, shape, tensor.type)
    block.operators.append(replace(operator, inputs=inputs, outputs=[name]))
    return name


def _shape_before(block: Block, operator: Operator) -> tuple[int, ...]:
    return block.tensors[operator.inputs[0]].shape
