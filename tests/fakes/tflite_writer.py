"""Writes a small .tflite from a list of layers, with the schema's classes that Vela's package brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ethosu.vela.tflite import (
    Buffer,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    Model,
    Operator,
    OperatorCode,
    QuantizationParameters,
    SubGraph,
    Tensor,
)
from ethosu.vela.tflite.BuiltinOperator import BuiltinOperator
from ethosu.vela.tflite.BuiltinOptions import BuiltinOptions

TYPES = {"float32": 0, "int32": 2, "int8": 9}


@dataclass(frozen=True)
class Op:
    """name: of BuiltinOperator. reads: names of values. writes: name and shape. constants: weights, bias."""

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, tuple[int, ...]]
    constants: tuple[Any, ...] = ()
    stride: int = 1


class _Writer:
    def __init__(self, quantized: bool):
        self.builder = flatbuffers.Builder(1024)
        self.quantized = quantized
        self.tensors: list[int] = []
        self.buffers: list[int] = []
        self.numbers: dict[str, int] = {}
        self.codes: list[str] = []
        self._buffer(b"")

    def _buffer(self, data: bytes) -> int:
        at = self.builder.CreateByteVector(data) if data else None
        Buffer.BufferStart(self.builder)
        if at is not None:
            Buffer.BufferAddData(self.builder, at)
        self.buffers.append(Buffer.BufferEnd(self.builder))
        return len(self.buffers) - 1

    def value(self, name: str, shape: tuple[int, ...]) -> int:
        self.numbers[name] = self._tensor(name, (shape, "float32", 0), None)
        return self.numbers[name]

    def constant(self, name: str, array: Any, axis: int) -> int:
        """Of weights in integers: one scale a channel along the axis."""
        array = np.asarray(array, np.float32)
        if not self.quantized:
            return self._tensor(name, (array.shape, "float32", self._buffer(array.tobytes())), None)
        kind, top = ("int8", 127) if array.ndim > 1 else ("int32", 2**20)
        others = tuple(one for one in range(array.ndim) if one != axis)
        scale = np.maximum(np.abs(array).max(others) if others else np.abs(array), 1e-9).astype(np.float32) / top
        wide = [-1 if one == axis else 1 for one in range(array.ndim)]
        integers = np.rint(array / scale.reshape(wide)).astype(kind)
        return self._tensor(name, (array.shape, kind, self._buffer(integers.tobytes())), (scale, axis))

    def _tensor(self, name: str, about: tuple[Any, str, int], quantization: Any) -> int:
        builder, (shape, kind, buffer) = self.builder, about
        sizes = builder.CreateNumpyVector(np.array(shape, np.int32))
        text, quantized = builder.CreateString(name), None
        if quantization:
            scales = builder.CreateNumpyVector(quantization[0])
            zeros = builder.CreateNumpyVector(np.zeros(len(quantization[0]), np.int64))
            QuantizationParameters.QuantizationParametersStart(builder)
            QuantizationParameters.QuantizationParametersAddScale(builder, scales)
            QuantizationParameters.QuantizationParametersAddZeroPoint(builder, zeros)
            QuantizationParameters.QuantizationParametersAddQuantizedDimension(builder, quantization[1])
            quantized = QuantizationParameters.QuantizationParametersEnd(builder)
        Tensor.TensorStart(builder)
        Tensor.TensorAddShape(builder, sizes)
        Tensor.TensorAddType(builder, TYPES[kind])
        Tensor.TensorAddBuffer(builder, buffer)
        Tensor.TensorAddName(builder, text)
        if quantized is not None:
            Tensor.TensorAddQuantization(builder, quantized)
        self.tensors.append(Tensor.TensorEnd(builder))
        return len(self.tensors) - 1

    def options(self, op: Op) -> tuple[int, int]:
        classes = {
            "CONV_2D": (Conv2DOptions, "Conv2DOptions"),
            "DEPTHWISE_CONV_2D": (DepthwiseConv2DOptions, "DepthwiseConv2DOptions"),
        }
        if op.name not in classes:
            return 0, 0
        module, name = classes[op.name]
        getattr(module, f"{name}Start")(self.builder)
        for axis in "HW":
            getattr(module, f"{name}AddStride{axis}")(self.builder, op.stride)
        return getattr(BuiltinOptions, name), getattr(module, f"{name}End")(self.builder)

    def vector(self, start: Any, numbers: list[int], offsets: bool = False) -> int:
        start(self.builder, len(numbers))
        for number in reversed(numbers):
            (self.builder.PrependUOffsetTRelative if offsets else self.builder.PrependInt32)(number)
        return int(self.builder.EndVector())


def tflite(ops: list[Op], source: tuple[str, tuple[int, ...]], quantized: bool = False) -> bytes:
    """The file. source: name and shape of the network's input. quantized: weights as int8, biases as int32."""
    writer = _Writer(quantized)
    builder = writer.builder
    first, operators = writer.value(*source), []
    for op in ops:
        axis = 3 if op.name == "DEPTHWISE_CONV_2D" else 0
        named = zip(op.constants, ("weight", "bias"), strict=False)
        own = [
            writer.constant(f"{op.writes[0]}/{name}", array, axis if name == "weight" else 0) for array, name in named
        ]
        inputs, output = [*(writer.numbers[name] for name in op.reads), *own], writer.value(*op.writes)
        kind, options = writer.options(op)
        given = writer.vector(Operator.OperatorStartInputsVector, inputs)
        made = writer.vector(Operator.OperatorStartOutputsVector, [output])
        if op.name not in writer.codes:
            writer.codes.append(op.name)
        Operator.OperatorStart(builder)
        Operator.OperatorAddOpcodeIndex(builder, writer.codes.index(op.name))
        Operator.OperatorAddInputs(builder, given)
        Operator.OperatorAddOutputs(builder, made)
        if kind:
            Operator.OperatorAddBuiltinOptionsType(builder, kind)
            Operator.OperatorAddBuiltinOptions(builder, options)
        operators.append(Operator.OperatorEnd(builder))
    tensors = writer.vector(SubGraph.SubGraphStartTensorsVector, writer.tensors, offsets=True)
    inputs_at = writer.vector(SubGraph.SubGraphStartInputsVector, [first])
    outputs_at = writer.vector(SubGraph.SubGraphStartOutputsVector, [writer.numbers[ops[-1].writes[0]]])
    operators_at = writer.vector(SubGraph.SubGraphStartOperatorsVector, operators, offsets=True)
    SubGraph.SubGraphStart(builder)
    SubGraph.SubGraphAddTensors(builder, tensors)
    SubGraph.SubGraphAddInputs(builder, inputs_at)
    SubGraph.SubGraphAddOutputs(builder, outputs_at)
    SubGraph.SubGraphAddOperators(builder, operators_at)
    graph = SubGraph.SubGraphEnd(builder)
    return _model(writer, graph)


def _model(writer: _Writer, graph: int) -> bytes:
    builder, codes = writer.builder, []
    for name in writer.codes:
        OperatorCode.OperatorCodeStart(builder)
        OperatorCode.OperatorCodeAddDeprecatedBuiltinCode(builder, getattr(BuiltinOperator, name))
        OperatorCode.OperatorCodeAddBuiltinCode(builder, getattr(BuiltinOperator, name))
        codes.append(OperatorCode.OperatorCodeEnd(builder))
    codes_at = writer.vector(Model.ModelStartOperatorCodesVector, codes, offsets=True)
    graphs_at = writer.vector(Model.ModelStartSubgraphsVector, [graph], offsets=True)
    buffers_at = writer.vector(Model.ModelStartBuffersVector, writer.buffers, offsets=True)
    Model.ModelStart(builder)
    Model.ModelAddVersion(builder, 3)
    Model.ModelAddOperatorCodes(builder, codes_at)
    Model.ModelAddSubgraphs(builder, graphs_at)
    Model.ModelAddBuffers(builder, buffers_at)
    builder.Finish(Model.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
