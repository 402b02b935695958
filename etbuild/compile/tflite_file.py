"""Reads the layers with weights of a TensorFlow Lite file, as floats in PyTorch's layout. It runs nothing.

Every byte is untrusted: what cannot be read is one error. The schema's classes are those of Vela's package.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etbuild.compile.weighted_layers import WeightedLayer
from etbuild.errors import UsageError

_IDENTIFIER = b"TFL3"
_KINDS = {"CONV_2D": "convolution", "DEPTHWISE_CONV_2D": "depthwise convolution", "FULLY_CONNECTED": "linear layer"}
_TYPES = {0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8"}


@dataclass(frozen=True, kw_only=True)
class TfliteLayer(WeightedLayer):
    """A layer of the file. weight: as `shape` says; bias: [outputs]; quantized: whether the weights were integers."""

    weight: Any
    bias: Any
    quantized: bool


@dataclass
class _File:
    """The first subgraph. before: for each tensor the layers that its values come from, with nothing between that has
    weights; shaped: for each tensor that a RESHAPE made, the tensor before it."""

    path: Path
    model: Any
    graph: Any
    before: dict[int, frozenset[int]] = field(default_factory=dict)
    shaped: dict[int, int] = field(default_factory=dict)
    constants: dict[int, int] = field(default_factory=dict)


def read_tflite(path: Path) -> list[TfliteLayer]:
    """The layers in the order of the operations. raises: UsageError for what is no such file, or not complete."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: got {error.strerror}, wanted a .tflite file") from error
    if content[4:8] != _IDENTIFIER:
        raise UsageError(f"{path}: got another file, wanted one of TensorFlow Lite: TFL3 at its fifth byte")
    try:
        return _layers(path, content)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(f"{path}: got a damaged or truncated file, wanted a whole one of TensorFlow Lite") from error


def _layers(path: Path, content: bytes) -> list[TfliteLayer]:
    from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
    from ethosu.vela.tflite.Model import Model

    names = {code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}
    model = Model.GetRootAsModel(content, 0)
    file, found = _File(path, model, model.Subgraphs(0)), list[TfliteLayer]()
    for number in range(file.graph.OperatorsLength()):
        operator = file.graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "an unknown operation")
        inputs = [operator.Inputs(index) for index in range(operator.InputsLength())]
        outputs = [operator.Outputs(index) for index in range(operator.OutputsLength())]
        before = frozenset().union(*(file.before.get(one, frozenset()) for one in inputs))
        if name in _KINDS:
            found.append(_layer(file, (name, operator), inputs, outputs[0]))
            before = frozenset({len(found) - 1})
        elif name == "DEQUANTIZE":
            file.constants[outputs[0]] = inputs[0]
        elif name in ("RESHAPE", "SQUEEZE"):
            file.shaped[outputs[0]] = inputs[0]
        file.before |= dict.fromkeys(outputs, before)
    return found


def _layer(file: _File, operation: tuple[str, Any], inputs: Sequence[int], output: int) -> TfliteLayer:
    import numpy as np

    name, operator = operation
    place = f"layer {_name(file, output)}"
    weight, quantized = _constant(file, inputs[1], place, "weights")
    if name == "CONV_2D":
        weight = weight.transpose(0, 3, 1, 2)
    elif name == "DEPTHWISE_CONV_2D":
        weight = weight.transpose(3, 0, 1, 2)
    bias = np.zeros(weight.shape[0], np.float32)
    if len(inputs) > 2 and inputs[2] >= 0:
        bias = _constant(file, inputs[2], place, "bias")[0].reshape(-1)
    if bias.shape != weight.shape[:1]:
        raise UsageError(f"{file.path}: {place}: got {bias.size} biases, wanted {weight.shape[0]}")
    flattened = _flattened(file, inputs[0]) if name == "FULLY_CONNECTED" else None
    if flattened:
        height, width, channels = flattened
        weight = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(weight), -1)
        flattened = channels, height, width
    return TfliteLayer(
        name=_name(file, output),
        kind=_KINDS[name],
        shape=tuple(weight.shape),
        stride=_stride(name, operator),
        before=file.before.get(inputs[0], frozenset()),
        flattened=flattened,
        weight=np.ascontiguousarray(weight),
        bias=bias,
        quantized=quantized,
    )


def _stride(name: str, operator: Any) -> tuple[int, int]:
    from ethosu.vela.tflite.Conv2DOptions import Conv2DOptions
    from ethosu.vela.tflite.DepthwiseConv2DOptions import DepthwiseConv2DOptions

    classes = {"CONV_2D": Conv2DOptions, "DEPTHWISE_CONV_2D": DepthwiseConv2DOptions}
    if name not in classes:
        return (1, 1)
    options, table = classes[name](), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return (options.StrideH(), options.StrideW())


def _flattened(file: _File, tensor: int) -> tuple[int, int, int] | None:
    """Height, width and channels that were made one axis before a linear layer; None where there is one position."""
    source = file.shaped.get(tensor, tensor)
    shape = _shape(file, source)
    return (shape[1], shape[2], shape[3]) if len(shape) == 4 and shape[1] * shape[2] > 1 else None


def _constant(file: _File, tensor: int, place: str, what: str) -> tuple[Any, bool]:
    """A constant as float32, and whether it was stored as integers."""
    import numpy as np

    tensor = file.constants.get(tensor, tensor)
    one, shape = file.graph.Tensors(tensor), _shape(file, tensor)
    dtype = _TYPES.get(one.Type())
    if dtype is None:
        raise UsageError(
            f"{file.path}: {place}: got {what} of type {one.Type()}, wanted floats or 8 to 64 bit integers"
        )
    data = file.model.Buffers(one.Buffer()).DataAsNumpy()
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if isinstance(data, int) or len(data) != size:
        got = 0 if isinstance(data, int) else len(data)
        raise UsageError(f"{file.path}: {place}: got {what} of {got} bytes, wanted {size} for {list(shape)}")
    values = np.frombuffer(data.tobytes(), dtype).reshape(shape)
    is_integer = values.dtype.kind in "iu"
    found = _dequantized(file, one, values, f"{place}: {what}") if is_integer else values.astype(np.float32)
    if not np.isfinite(found).all():
        raise UsageError(f"{file.path}: {place}: got NaN or infinity among the {what}, wanted finite values")
    return found, is_integer


def _dequantized(file: _File, tensor: Any, values: Any, place: str) -> Any:
    import numpy as np

    quantization = tensor.Quantization()
    count = quantization.ScaleLength() if quantization else 0
    axis = quantization.QuantizedDimension() if quantization else 0
    if count not in (1, values.shape[axis] if count else 0):
        raise UsageError(f"{file.path}: {place}: got {count} scales, wanted 1 or one for each channel")
    scale = np.array([quantization.Scale(index) for index in range(count)], np.float64)
    zero = np.array([quantization.ZeroPoint(index) for index in range(quantization.ZeroPointLength())] or [0], np.int64)
    wide = [1] * values.ndim
    wide[axis] = -1
    integers = values.astype(np.int64) - zero.reshape(wide if len(zero) > 1 else [1] * values.ndim)
    return (integers * scale.reshape(wide if count > 1 else [1] * values.ndim)).astype(np.float32)


def _shape(file: _File, tensor: int) -> tuple[int, ...]:
    one = file.graph.Tensors(tensor)
    return tuple(one.Shape(index) for index in range(one.ShapeLength()))


def _name(file: _File, tensor: int) -> str:
    name = file.graph.Tensors(tensor).Name() or b""
    return name.decode(errors="replace").split(";")[0] or f"of tensor {tensor}"
