"""TOSA graphs for tests: int8 networks of one block, from a list of operators, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from etbuild.rewrite.graph import Block, Graph, Operator, Tensor, read_graph, write_graph
from etbuild.verify.equal_graphs import GraphBefore

FRAME = {
    "version": {"_major": 1, "_minor": 0, "_patch": 0, "_draft": False},
    "software_version": {"_major": 2026, "_minor": 5, "_micro": 0, "_modifier": ""},
}


class Network:
    """A block that grows: each method adds an operator and returns its output's name."""

    def __init__(self, shape: Sequence[int], kind: str = "INT8", seed: int = 0):
        self.random = np.random.default_rng(seed)
        self.block = Block("main", [], {"x": Tensor("x", tuple(shape), kind)}, {}, ["x"], [])

    def add(self, op: str, inputs: Sequence[str], shape: Sequence[int], kind: str = "INT8", **attribute: Any) -> str:
        words = "".join(part.capitalize() for part in op.lower().split("_"))
        name = self.block.new_name(op.lower())
        self.block.tensors[name] = Tensor(name, tuple(shape), kind)
        self.block.operators.append(Operator(op, f"{words}Attribute", attribute, list(inputs), [name]))
        return name

    def shape(self, name: str) -> tuple[int, ...]:
        return self.block.tensors[name].shape

    def constant(self, values: Any, kind: str = "INT8") -> str:
        return self.block.add_constant("constant", np.asarray(values), kind)

    def pad(self, name: str, pads: Sequence[int], value: int) -> str:
        """pads: before and after, of each axis."""
        shape = [size + sum(pads[2 * i : 2 * i + 2]) for i, size in enumerate(self.shape(name))]
        return self.add("PAD", [name, self.block.add_shape("pads", pads), self.constant([value])], shape)

    def transpose(self, name: str, order: Sequence[int]) -> str:
        return self.add("TRANSPOSE", [name], [self.shape(name)[i] for i in order], perms=list(order))

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        return self.add("RESHAPE", [name, self.block.add_shape("shape", shape)], shape, self.block.tensors[name].type)

    def slice(self, name: str, start: Sequence[int], size: Sequence[int]) -> str:
        shapes = [self.block.add_shape("slice", values) for values in (start, size)]
        return self.add("SLICE", [name, *shapes], size)

    def convolution(
        self,
        name: str,
        channels: int,
        kernel: Sequence[int],
        zero_point: int,
        stride: Sequence[int] = (1, 1),
        pad: Sequence[int] = (0, 0, 0, 0),
        depthwise: bool = False,
    ) -> str:
        """With random weights; channels: of the output, or for each input channel. Its sums, in int32."""
        _, height, width, depth = self.shape(name)
        shape = (*kernel, depth, channels) if depthwise else (channels, *kernel, depth)
        out = channels * depth if depthwise else channels
        rows = (height + pad[0] + pad[1] - kernel[0]) // stride[0] + 1
        columns = (width + pad[2] + pad[3] - kernel[1]) // stride[1] + 1
        inputs = [
            name,
            self.constant(self.random.integers(-127, 128, shape)),
            self.constant(self.random.integers(-500, 500, out), "INT32"),
            self.constant([zero_point]),
            self.constant([0]),
        ]
        attribute = {"pad": list(pad), "stride": list(stride), "dilation": [1, 1], "acc_type": "INT32"}
        op = "DEPTHWISE_CONV2D" if depthwise else "CONV2D"
        output = self.add(op, inputs, (1, rows, columns, out), "INT32", **attribute)
        self.block.operators[-1].attribute_type = "DepthwiseConv2dAttribute" if depthwise else "Conv2dAttribute"
        return output

    def pool(self, name: str, kernel: Sequence[int]) -> str:
        _, height, width, depth = self.shape(name)
        shape = (1, height - kernel[0] + 1, width - kernel[1] + 1, depth)
        attribute = {"kernel": list(kernel), "stride": [1, 1], "pad": [0, 0, 0, 0], "nan_mode": "PROPAGATE"}
        output = self.add("MAX_POOL2D", [name], shape, **attribute)
        self.block.operators[-1].attribute_type = "MaxPool2dAttribute"
        return output

    def rescale(self, name: str, scale: tuple[int, int], zeros: tuple[int, int] = (0, 0), kind: str = "INT8") -> str:
        """scale: multiplier and shift. zeros: zero points of input and output."""
        before = self.block.tensors[name].type
        inputs = [
            name,
            self.constant([scale[0]], "INT32"),
            self.constant([scale[1]]),
            self.constant([zeros[0]], before),
            self.constant([zeros[1]], kind),
        ]
        return self.add("RESCALE", inputs, self.shape(name), kind, scale32=True, rounding_mode="SINGLE_ROUND")

    def quantised(self, name: str) -> str:
        """Sums of a convolution as int8."""
        return self.rescale(name, (1 << 30, 38), (0, 3))

    def mean(self, name: str, zero_point: int, axes: Sequence[int] = (1, 2)) -> str:
        """A sum as ExecuTorch lowers a mean: int32, one axis after the other, and int8 again."""
        name = self.rescale(name, (1 << 30, 30), (zero_point, 0), "INT32")
        for axis in axes:
            shape = [1 if i == axis else size for i, size in enumerate(self.shape(name))]
            name = self.add("REDUCE_SUM", [name], shape, "INT32", axis=axis)
        return self.rescale(name, (1 << 30, 35), (0, -128))

    def multiplied(self, name: str, factor: int) -> str:
        inputs = [name, self.constant(np.full([1] * len(self.shape(name)), factor), "INT32"), self.constant([0])]
        return self.add("MUL", inputs, self.shape(name), "INT32")

    def file(self, *outputs: str) -> bytes:
        """The content of the .tosa file with these outputs."""
        self.block.outputs = list(outputs)
        self.block.sort()
        return write_graph(Graph([("main", [self.block])], dict(FRAME)), "test")


def saved(content: bytes, folder: Path) -> Path:
    path = folder / "0.tosa"
    path.write_bytes(content)
    return path


def applied(rule: str, network: Network, folder: Path, *outputs: str) -> list[str]:
    """The operators after a rule was applied at all its places, those of constants left out; [] when it has no place.

    The result is compared with the graph before.
    """
    content = network.file(*outputs)
    module = import_module(f"etbuild.rewrite.rules.{rule}")
    graph = read_graph(content, "test")
    (block,) = graph.blocks
    places = list(module.places(block))
    for place in places:
        module.apply(block, place)
    assert GraphBefore(saved(content, folder)).difference(write_graph(graph, "test")) == ""
    return [one.op for one in block.operators if not one.op.startswith("CONST")] if places else []
