"""The rules about sizes and scales: channels, memory of the board, weights, sums, and floats at the border."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from etbuild.lint.finding import Finding
from etbuild.lint.graph import (
    Subject,
    constant,
    line_of,
    module_of,
    operator_of,
    origin,
    producer,
    scale,
    shape,
)
from etbuild.lint.patches import of_memory_mode, of_recipe

# Below this share of the model's multiplications, unused channels are not worth a line.
_LEAST_UNUSED = 0.02
# Weights of a channel use no more than 8 - 4 bits when another channel's are 16 times as large.
_FAR_WEIGHTS = 16.0
# The smaller operand of a sum keeps 8 - 5 of its bits.
_FAR_SCALES = 32.0
_SUMS = ("add", "sub", "cat")


def channels(subject: Subject) -> Iterator[Finding]:
    """Convolutions and linear layers whose output channels do not fill what the NPU computes at once."""
    npu = subject.parts[0].npu
    depth = channels_at_once(npu)
    if depth is None:
        return
    layers = [(node, *work) for node in subject.nodes("convolution", "linear") if (work := _work(node))]
    total = sum(count * _rounded(macs, depth) for _, count, macs in layers)
    outputs = {id(producer(one)) for one in subject.graph.graph.output_node().args[0] if hasattr(one, "op")}
    for node, count, macs in layers:
        unused = _rounded(macs, depth) - macs
        share = count * unused / total
        if share < _LEAST_UNUSED or id(node) in outputs:
            continue
        use = _rounded(macs, depth)
        yield Finding(
            "channel-padding",
            subject.profile,
            f"{macs} output channels take as long as {use}",
            f"Vela computes {depth} channels at once on the {npu}: {share:.1%} of the model's multiplications are "
            "of channels that do not exist",
            f"{macs - macs % depth or depth} channels are faster, and {use} as fast",
            line_of(node),
            module_of(node)[0] or None,
        )


def channels_at_once(npu: str) -> int | None:
    """Output channels of the block that Vela computes at once, by Vela's own table; None for an NPU without a row."""
    from ethosu.vela.architecture_features import ArchitectureFeatures

    found = {one.value: config for one, config in ArchitectureFeatures.accelerator_configs.items()}
    return int(found[npu].ofm_ublock.depth) if npu in found else None


def memory(subject: Subject) -> Iterator[Finding]:
    """An operator whose input and output alone are larger than the region of the board that the scratch lies in."""
    for part in subject.parts:
        nodes = [node for node in subject.nodes("convolution", "linear", "add") if shape(node)]
        sizes = [(math.prod(shape(producer(node.args[0]))) + math.prod(shape(node)), node) for node in nodes]
        size, node = max(sizes, key=lambda one: one[0], default=(0, None))
        if not part.bytes or size <= part.bytes:
            continue
        yield Finding(
            "does-not-fit",
            subject.profile,
            f"{part.variant}: input and output have {size:,} bytes, and {part.region} of the board {part.bytes:,}",
            "both are in the NPU's scratch at once, unless Vela computes them in stripes with their neighbours",
            "smaller images, a Dedicated_Sram memory mode, or a board that places the scratch in a larger region",
            line_of(node),
            module_of(node)[0] or None,
            patch=of_memory_mode(subject, part) if part.larger and size <= part.larger.bytes else None,
        )
        return


def weights(subject: Subject) -> Iterator[Finding]:
    """Weights with one scale for channels of very different ranges."""
    for node in subject.nodes("convolution", "linear"):
        value = node.args[1]
        if operator_of(value) != "dequantize_per_tensor":
            continue
        tensor = constant(subject.program, producer(value))
        if tensor is None or tensor.dim() < 2:
            continue
        ranges = tensor.float().abs().flatten(1).amax(1)
        ranges = ranges[ranges > 0]
        if not len(ranges) or (ratio := float(ranges.max() / ranges.min())) < _FAR_WEIGHTS:
            continue
        yield Finding(
            "per-tensor-weights",
            subject.profile,
            f"one scale for weights whose channels differ {ratio:.0f} times",
            f"the weakest channel has {math.log2(ratio):.1f} bits fewer than the strongest",
            "quantize: {per_channel: true}, which is the default",
            line_of(node),
            module_of(node)[0] or None,
            patch=of_per_channel(subject),
        )


def of_per_channel(subject: Subject) -> Any:
    """The recipe without per_channel: false; None where that is not on a line of its own file."""
    from etbuild.lint.finding import Edit, Patch

    file, text = subject.recipe
    for number, line in enumerate(text.splitlines(), 1):
        column = line.find("per_channel: false")
        if column >= 0:
            begin = column + len("per_channel: ") + 1
            return Patch(
                "one scale a channel", True, (Edit(file, number, begin, number, begin + len("false"), "true"),)
            )
    return None


def scales(subject: Subject) -> Iterator[Finding]:
    """Sums and concatenations of values whose scales are far apart."""
    for node in subject.nodes(*_SUMS):
        values = node.args[0] if operator_of(node) == "cat" else node.args[:2]
        if _is_centring(*values[:2]):
            continue
        found = [one for one in map(partial(_scale_of, subject.program), values) if one]
        if len(found) < 2 or (ratio := max(found) / min(found)) < _FAR_SCALES:
            continue
        yield Finding(
            "scale-mismatch",
            subject.profile,
            f"{operator_of(node)} of values whose scales differ {ratio:.0f} times",
            f"the smaller value keeps {max(0.0, 8 - math.log2(ratio)):.1f} of its 8 bits",
            "a BatchNorm before it, or int16x8 for the layers before and after it, too: for this operator alone it "
            "brings nothing, as they give and take 8 bits",
            line_of(node),
            module_of(node)[0] or None,
        )


def border(subject: Subject) -> Iterator[Finding]:
    """Float inputs and outputs that are quantised by the CPU, where the application could give integers."""
    from etbuild.compile.lowering import io_params_of

    ports = io_params_of(subject.program)
    both = [*ports["inputs"], *ports["outputs"]]
    if subject.io != "float32" or not both or any(one is None or one["dtype"] != "int8" for one in both):
        return
    names = [*(node for node in subject.graph.graph.nodes if node.op == "placeholder")]
    users = set(subject.program.graph_signature.user_inputs)
    inputs = sum(math.prod(shape(node)) for node in names if node.name in users)
    outputs = sum(math.prod(shape(node)) for node in subject.graph.graph.output_node().args[0] if hasattr(node, "op"))
    yield Finding(
        "float-border",
        subject.profile,
        f"the CPU quantises {inputs:,} floats before, and dequantises {outputs:,} after the NPU",
        "floats take four times the memory of the arena, and a loop of the CPU",
        "quantize: {io: int8}, and the application converts where it needs floats",
        patch=of_recipe(subject, "quantize", "io", "int8", "integers as inputs and outputs", exact=True),
    )


def _scale_of(program: Any, node: Any) -> float | None:
    """The scale of a computed value or input; None for a constant, as the epsilon of a norm is one."""
    if not hasattr(node, "op"):
        return None
    made = origin(node)
    is_constant = made.op == "get_attr" or operator_of(made).startswith("full")
    if is_constant or (made.op == "placeholder" and constant(program, made) is not None):
        return None
    return scale(node)


def _is_centring(value: Any, other: Any = None) -> bool:
    """x - mean(x), the first operation of a norm: the mean may well be small."""
    if not (hasattr(value, "op") and hasattr(other, "op")) or operator_of(origin(other)) != "mul":
        return False
    sums = [origin(one) for one in origin(other).all_input_nodes]
    return any(operator_of(one) == "sum" and origin(one.args[0]) is origin(value) for one in sums)


def _rounded(channels: int, depth: int) -> int:
    return -(-channels // depth) * depth


def _work(node: Any) -> tuple[int, int] | None:
    """Multiplications a channel, and output channels; None for depthwise convolutions, and where sizes are open."""
    weight, out = shape(node.args[1]), shape(node)
    if not weight or not out:
        return None
    if operator_of(node) == "linear":
        return math.prod(out[:-1]) * weight[1], weight[0]
    transposed, groups = bool(node.args[6]), int(node.args[8])
    if transposed or groups != 1:
        return None
    return math.prod(weight[1:]) * math.prod(out[2:]) * out[0], weight[0]
