"""The operators of ExecuTorch's Cortex-M backend, computed by its own Python implementation. It reads no program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from etbuild.errors import StepError

# Buffers of the kernels, which the Python implementation does not read.
_BUFFERS = ("scratch", "output_scratch")
# By operator: the positions of the weights and of the dilation.
_CONVOLUTIONS = {"quantized_conv2d": (1, 5), "quantized_depthwise_conv2d": (1, 5)}


def operator(name: str) -> Any:
    """cortex_m::name.

    raises: StepError when ExecuTorch has no such operator.
    """
    import executorch.backends.cortex_m.passes  # noqa: F401 - registers the operators
    import torch

    try:
        return getattr(torch.ops.cortex_m, name).default
    except AttributeError as error:
        raise StepError(f"cortex_m::{name}: got an operator that ExecuTorch's Cortex-M backend lacks") from error


def argument_positions(function: Any) -> list[int]:
    """The positions of the arguments that an operator reads."""
    return [at for at, argument in enumerate(function._schema.arguments) if argument.name not in _BUFFERS]


def call(name: str, function: Any, values: Sequence[Any], orders: Sequence[Sequence[int] | None]) -> Any:
    """The result of an operator.

    values: its arguments; those that it does not read may be None.
    orders: of each tensor the order of its dimensions in memory, on which the padding of some operators depends.
    """
    import torch

    arguments = [
        _in_memory_order(value, order) if torch.is_tensor(value) and order else value
        for value, order in zip(values, orders, strict=True)
    ]
    for at, argument in enumerate(function._schema.arguments):
        if argument.name in _BUFFERS:
            arguments[at] = torch.empty(0, dtype=torch.uint8)
    weights, dilation = _CONVOLUTIONS.get(name.removesuffix("_nhwc"), (0, 0))
    if dilation and math.prod(arguments[dilation]) > 1:
        arguments[weights] = _spread(arguments[weights], arguments[dilation])
        arguments[dilation] = [1, 1]
    return function(*arguments)


def _in_memory_order(tensor: Any, order: Sequence[int]) -> Any:
    """The same values with the strides of this order."""
    inverse = [list(order).index(axis) for axis in range(len(order))]
    return tensor.permute(tuple(order)).contiguous().permute(inverse)


def _spread(weights: Any, dilation: Sequence[int]) -> Any:
    """The weights, [.., rows, columns, ..], of an equal convolution without dilation, the only one of integers that
    PyTorch has."""
    rows, columns = ((size - 1) * step + 1 for size, step in zip(weights.shape[1:3], dilation, strict=True))
    wide = weights.new_zeros((weights.shape[0], rows, columns, weights.shape[3]))
    wide[:, :: dilation[0], :: dilation[1]] = weights
    return wide
