"""Counts the zeros in the weights of a delegate's TOSA graph, layer by layer. It changes no graph."""

from __future__ import annotations

from typing import Any

# The operators with weights, and the number of that input.
_WEIGHTS = {"CONV2D": 1, "CONV3D": 1, "DEPTHWISE_CONV2D": 1, "TRANSPOSE_CONV2D": 1, "MATMUL": 1}


def weights_of(graph: bytes) -> list[dict[str, Any]]:
    """The layers whose weights are constants, in the order of the graph.

    graph:  a .tosa file.
    return: rows of vela.json: name (the tensor that the layer computes), operator, values, zeros.
    """
    from tosa.Op import Op
    from tosa.TosaGraph import TosaGraph

    names = {getattr(Op, name): name for name in _WEIGHTS}
    block = TosaGraph.GetRootAs(graph, 0).Regions(0).Blocks(0)
    tensors = {one.Name(): one for one in (block.Tensors(i) for i in range(block.TensorsLength()))}
    found = []
    for one in (block.Operators(i) for i in range(block.OperatorsLength())):
        name = names.get(one.Op())
        if name is None:
            continue
        values = _values(tensors[one.Inputs(_WEIGHTS[name])])
        if values is not None:
            zeros = int(values.size - (values != 0).sum())
            row = {"name": one.Outputs(0).decode(), "operator": name, "values": int(values.size), "zeros": zeros}
            found.append(row)
    return found


def _values(tensor: Any) -> Any:
    """The integers of a constant; None for what is computed, and for other types."""
    import numpy as np
    from tosa.DType import DType

    if not tensor.DataLength():
        return None
    data, kind = tensor.DataAsNumpy(), tensor.Type()
    count = int(np.prod(tensor.ShapeAsNumpy())) if tensor.ShapeLength() else 1
    if kind == DType.INT4:
        return np.stack((data & 15, data >> 4), axis=1).reshape(-1)[:count]
    dtype = {DType.INT8: np.int8, DType.INT16: np.int16}.get(kind)
    return None if dtype is None else data.view(dtype)[:count]
