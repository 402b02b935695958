"""Names the tensors of a TOSA graph for which Vela refuses it. It compiles nothing, and knows few reasons.

Vela's own message has the kind of the operation that cannot run on the NPU, and not which one it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

# TOSA's DType.
_INT48 = 6
_REFUSED, _UNWRITTEN = "could not run on NPU", "does not have any writers"
_SCHEME = "a rule of quantize.rules that gives the layer's module another scheme avoids it"
_ACTIVATION = f"{_SCHEME}, as does an activation after the layer"
_BORDER = "which operators are on the NPU decides that: partition.json says why the others are not"


def reasons(graph: bytes, message: str) -> list[str]:
    """A line for each tensor that explains Vela's message, then the remedy; none when no tensor does."""
    if _UNWRITTEN in message:
        found, remedy = list(_passed_on(graph)), _BORDER
    else:
        found = list(_refused(graph)) if _REFUSED in message else []
        remedy = _ACTIVATION if any("RESCALE" in line for line in found) else _SCHEME
    return [*found, remedy] if found else []


def _block(graph: bytes) -> Any:
    from tosa.TosaGraph import TosaGraph

    return TosaGraph.GetRootAs(graph, 0).Regions(0).Blocks(0)


def _passed_on(graph: bytes) -> Iterator[str]:
    block = _block(graph)
    inputs = {block.Inputs(index) for index in range(block.InputsLength())}
    for name in (block.Outputs(index) for index in range(block.OutputsLength())):
        if name in inputs:
            yield f"{name.decode()}: an input of the delegate is its output too, and no operator is between"


def _refused(graph: bytes) -> Iterator[str]:
    from tosa.Op import Op

    block = _block(graph)
    operators = [block.Operators(index) for index in range(block.OperatorsLength())]
    types = {one.Name(): one.Type() for one in (block.Tensors(index) for index in range(block.TensorsLength()))}
    readers = Counter(one.Inputs(index) for one in operators for index in range(one.InputsLength()))
    for operator in operators:
        if operator.Op() not in (Op.CONV2D, Op.DEPTHWISE_CONV2D, Op.TRANSPOSE_CONV2D):
            continue
        result = operator.Outputs(0)
        if types.get(result) != _INT48:
            continue
        if operator.Op() == Op.TRANSPOSE_CONV2D:
            yield f"{result.decode()}: a transposed convolution of int16 cannot run on this NPU"
        elif readers[result] > 1:
            yield f"{result.decode()}: {readers[result]} RESCALEs read its 48-bit result, and Vela joins one with it"
