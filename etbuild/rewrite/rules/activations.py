"""A convolution without an activation gets one that changes nothing: a CLAMP to the whole range of its type.

Condition: a RESCALE to int8 or int16 of a convolution's sums, of one image, which no CLAMP and no TABLE follows: Vela
makes a TABLE part of the convolution.

Exact: a CLAMP to the limits of a type returns what it is given.

**It changes no byte of the command stream**, and the NPU is not faster by it: Vela 5.1 estimates an operation of U55
and U65 without an activation as if it had a table (a cycle an output element instead of a half), and TensorFlow Lite's
convolutions nearly always have one. With this rule the estimates of equal streams are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etbuild.rewrite.graph import Operator, Tensor

if TYPE_CHECKING:
    from etbuild.rewrite.graph import Block

_OWN = ("CLAMP", "TABLE")
_LIMITS = {"INT8": (b"\x80", b"\x7f"), "INT16": (b"\x00\x80", b"\xff\x7f")}


def places(block: Block) -> Iterator[str]:
    """Outputs of the RESCALEs that get an activation."""
    for operator in block.operators:
        if operator.op != "RESCALE" or block.tensors[operator.outputs[0]].type not in _LIMITS:
            continue
        above = block.producer(operator.inputs[0])
        users = block.users(operator.outputs[0])
        convolution = above and above.op in ("CONV2D", "DEPTHWISE_CONV2D")
        single = block.tensors[operator.outputs[0]].shape[:1] == (1,)
        if convolution and single and not any(one.op in _OWN for one in users):
            yield operator.outputs[0]


def apply(block: Block, place: str) -> None:
    """Put a CLAMP behind the RESCALE whose output is `place`; the CLAMP's output has its name then."""
    operator = block.producer(place)
    if operator is None:
        return
    tensor = block.tensors[place]
    name = block.new_name(f"{place}_rescaled")
    block.tensors[name] = Tensor(name, tensor.shape, tensor.type)
    operator.outputs = [name]
    low, high = (list(limit) for limit in _LIMITS[tensor.type])
    attribute = {"min_val": low, "max_val": high, "nan_mode": "PROPAGATE"}
    block.operators.append(Operator("CLAMP", "ClampAttribute", attribute, [name], [place]))
    block.sort()
