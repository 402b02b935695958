"""A sum over height and width becomes a depthwise convolution with weights of one: see sums.py for when and why.

Condition beside that of sums.py: the kernel is not larger than the NPU's, 64 rows and 4,096 positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etbuild.rewrite.rules import sums

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_LARGEST_HEIGHT, _LARGEST_KERNEL = 64, 4096


def places(block: Block) -> Iterator[str]:
    """Outputs of the sums that can be depthwise convolutions."""
    for operator in block.operators:
        sum_ = sums.found(block, operator) if operator.op == "REDUCE_SUM" else None
        if sum_ and sum_.weights.shape[0] <= _LARGEST_HEIGHT and sum_.weights.size <= _LARGEST_KERNEL:
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Change the sum whose output is `place`."""
    import numpy as np

    operator = block.producer(place)
    if operator is None or (sum_ := sums.found(block, operator)) is None:
        return
    channels = block.tensors[place].shape[3]
    weights = np.repeat(sum_.weights[:, :, None, None], channels, axis=2)
    block.operators.append(sums.convolution(block, "DEPTHWISE_CONV2D", sum_.source, weights, sum_.zero_point, place))
    block.operators.remove(operator)
    block.sort()
    block.remove_unused()
