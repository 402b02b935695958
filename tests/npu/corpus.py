"""The operator models of the emulator's grid: one small module for each operator family. It compiles nothing.

torch is imported at the top: this file is imported only while artefacts are made, never by the quick tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor, nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class OpModel:
    """name: unique. make: builds the module. shapes: of the inputs. kind: "normal", "positive" or "unit"
    (0..1) example values, which keep functions such as log inside their domain; "int" for int32 tensors."""

    name: str
    make: Callable[[], nn.Module]
    shapes: tuple[Shape, ...]
    kind: str = "normal"


class Expression(nn.Module):
    """A function of its inputs as a module."""

    def __init__(self, function: Callable[..., object]):
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(*inputs)


class WithParameters(nn.Module):
    """A function of its inputs and of submodules."""

    def __init__(self, function: Callable[..., object], **parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.function = function

    def forward(self, *inputs: Tensor) -> object:
        return self.function(self.parts, *inputs)


IMAGE = (1, 8, 12, 12)
WIDE = (1, 16, 9, 10)
ROWS = (4, 24)
SEQUENCE = (1, 6, 16)


def _of(name: str, function: Callable[..., object], *shapes: Shape, kind: str = "normal") -> OpModel:
    return OpModel(name, lambda: Expression(function), shapes, kind)


def _module(name: str, make: Callable[[], nn.Module], *shapes: Shape, kind: str = "normal") -> OpModel:
    return OpModel(name, make, shapes, kind)


def _convolutions() -> list[OpModel]:
    conv = nn.Conv2d
    return [
        _module("conv_1x1", lambda: conv(8, 16, 1), IMAGE),
        _module("conv_1x1_odd", lambda: conv(17, 5, 1), (1, 17, 7, 5)),
        _module("conv_3x3", lambda: conv(8, 16, 3), IMAGE),
        _module("conv_3x3_same", lambda: conv(3, 20, 3, padding=1), (1, 3, 15, 13)),
        _module("conv_3x3_deep", lambda: conv(40, 72, 3, padding=1), (1, 40, 6, 7)),
        _module("conv_5x5_s2", lambda: conv(8, 12, 5, stride=2, padding=2), IMAGE),
        _module("conv_7x7_s2", lambda: conv(3, 24, 7, stride=2, padding=3), (1, 3, 32, 32)),
        _module("conv_9x9", lambda: conv(4, 6, 9, padding=4), (1, 4, 14, 14)),
        _module("conv_11x11_s4", lambda: conv(3, 8, 11, stride=4, padding=2), (1, 3, 40, 40)),
        _module("conv_1x7", lambda: conv(8, 8, (1, 7), padding=(0, 3)), IMAGE),
        _module("conv_7x1", lambda: conv(8, 8, (7, 1), padding=(3, 0)), IMAGE),
        _module("conv_2x4_pad", lambda: conv(5, 9, (2, 4), padding=(1, 2)), (1, 5, 10, 11)),
        _module("conv_s3", lambda: conv(8, 8, 3, stride=3), IMAGE),
        _module("conv_s1x2", lambda: conv(8, 8, 3, stride=(1, 2), padding=1), IMAGE),
        _module("conv_dilated2", lambda: conv(8, 8, 3, dilation=2, padding=2), IMAGE),
        _module("conv_dilated3", lambda: conv(8, 8, 3, dilation=3, padding=3), IMAGE),
        _module("conv_dilated_1x2", lambda: conv(8, 8, 3, dilation=(1, 2), padding=1), IMAGE),
        _module("conv_groups2", lambda: conv(8, 12, 3, groups=2, padding=1), IMAGE),
        _module("conv_nobias", lambda: conv(8, 33, 3, padding=1, bias=False), IMAGE),
        _module("conv_channels_1", lambda: conv(1, 1, 3, padding=1), (1, 1, 11, 9)),
        _module("conv_channels_15_17", lambda: conv(15, 17, 3, padding=1), (1, 15, 6, 6)),
        _module("conv_channels_16_16", lambda: conv(16, 16, 3, padding=1), WIDE),
        _module("conv_wide", lambda: conv(128, 160, 1), (1, 128, 5, 5)),
        _module("conv_batch2", lambda: conv(8, 8, 3, padding=1), (2, 8, 6, 6)),
        _module("conv1d", lambda: nn.Conv1d(6, 10, 5, padding=2), (1, 6, 30)),
        _module("conv1d_dilated", lambda: nn.Conv1d(6, 10, 3, dilation=2), (1, 6, 30)),
    ]


def _other_convolutions() -> list[OpModel]:
    conv = nn.Conv2d
    return [
        _module("depthwise_3x3", lambda: conv(16, 16, 3, groups=16, padding=1), WIDE),
        _module("depthwise_5x5_s2", lambda: conv(24, 24, 5, groups=24, stride=2, padding=2), (1, 24, 12, 11)),
        _module("depthwise_9x9", lambda: conv(8, 8, 9, groups=8, padding=4), IMAGE),
        _module("depthwise_dilated", lambda: conv(8, 8, 3, groups=8, dilation=2, padding=2), IMAGE),
        _module("depthwise_multiplier", lambda: conv(8, 16, 3, groups=8, padding=1), IMAGE),
        _module("depthwise_1x1", lambda: conv(8, 8, 1, groups=8), IMAGE),
        _module("depthwise_wide", lambda: conv(144, 144, 3, groups=144, padding=1), (1, 144, 5, 6)),
        _module("transposed_s1", lambda: nn.ConvTranspose2d(8, 6, 3), (1, 8, 6, 6)),
        _module("transposed_s2", lambda: nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1), (1, 8, 6, 6)),
        _module("transposed_2x2_s2", lambda: nn.ConvTranspose2d(8, 8, 2, stride=2), (1, 8, 5, 7)),
        _module("transposed_s3", lambda: nn.ConvTranspose2d(4, 4, 3, stride=3), (1, 4, 5, 5)),
        _module("conv3d", lambda: nn.Conv3d(3, 4, 3, padding=1), (1, 3, 4, 6, 6)),
        _module("conv_relu", lambda: nn.Sequential(conv(8, 12, 3, padding=1), nn.ReLU()), IMAGE),
        _module("conv_relu6", lambda: nn.Sequential(conv(8, 12, 3, padding=1), nn.ReLU6()), IMAGE),
        _module("conv_norm_relu", lambda: nn.Sequential(conv(8, 12, 3), nn.BatchNorm2d(12), nn.ReLU()).eval(), IMAGE),
        _module("conv_sigmoid", lambda: nn.Sequential(conv(8, 12, 1), nn.Sigmoid()), IMAGE),
        _module("separable", lambda: nn.Sequential(conv(8, 8, 3, groups=8, padding=1), conv(8, 24, 1)), IMAGE),
    ]


def _networks() -> list[OpModel]:
    conv = nn.Conv2d
    residual = WithParameters(lambda p, x: x + p["b"](F.relu(p["a"](x))), a=conv(8, 24, 1), b=conv(24, 8, 3, padding=1))
    inverted = WithParameters(
        lambda p, x: x + p["c"](F.hardtanh(p["b"](F.relu6(p["a"](x))), 0.0, 6.0)),
        a=conv(8, 48, 1),
        b=conv(48, 48, 3, padding=1, groups=48),
        c=conv(48, 8, 1),
    )
    squeeze = WithParameters(
        lambda p, x: x * torch.sigmoid(p["b"](F.relu(p["a"](x.mean((2, 3), keepdim=True))))),
        a=conv(8, 4, 1),
        b=conv(4, 8, 1),
    )
    attention = nn.MultiheadAttention(16, 2, batch_first=True)
    return [
        _module("residual", lambda: residual, IMAGE),
        _module("inverted_residual", lambda: inverted, IMAGE),
        _module("squeeze_excite", lambda: squeeze, IMAGE),
        _module("linear", lambda: nn.Linear(24, 10), ROWS),
        _module("linear_3d", lambda: nn.Linear(16, 12), SEQUENCE),
        _module("linear_large", lambda: nn.Linear(512, 300), (1, 512)),
        _module("mlp", lambda: nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 10)), ROWS),
        _module("multihead_attention", lambda: WithParameters(lambda p, x: p["m"](x, x, x)[0], m=attention), SEQUENCE),
        _of("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), *((1, 2, 6, 8),) * 3),
        _of("bmm", torch.bmm, (2, 5, 7), (2, 7, 6)),
        _of("matmul", torch.matmul, (1, 9, 17), (1, 17, 8)),
        _of("einsum", lambda a, b: torch.einsum("bij,bjk->bik", a, b), (1, 4, 8), (1, 8, 5)),
        _module("lstm", lambda: WithParameters(lambda p, x: p["m"](x)[0], m=nn.LSTM(8, 12)), (3, 1, 8)),
        _module("gru", lambda: WithParameters(lambda p, x: p["m"](x)[0], m=nn.GRU(8, 12)), (3, 1, 8)),
        _module("rnn", lambda: WithParameters(lambda p, x: p["m"](x)[0], m=nn.RNN(8, 12)), (3, 1, 8)),
        _of("two_in_four_out", lambda a, b: (a + b, a - b, a * b, torch.maximum(a, b)), IMAGE, IMAGE),
    ]


# Functions of one value, and those of a positive one.
FUNCTIONS: tuple[tuple[str, Callable[..., object]], ...] = (
    ("sigmoid", torch.sigmoid),
    ("tanh", torch.tanh),
    ("gelu", F.gelu),
    ("silu", F.silu),
    ("hardswish", F.hardswish),
    ("hardsigmoid", F.hardsigmoid),
    ("elu", F.elu),
    ("celu", F.celu),
    ("selu", F.selu),
    ("exp", torch.exp),
    ("expm1", torch.expm1),
    ("sin", torch.sin),
    ("cos", torch.cos),
    ("sinh", torch.sinh),
    ("atan", torch.atan),
    ("erf", torch.erf),
    ("floor", torch.floor),
    ("ceil", torch.ceil),
    ("round", torch.round),
    ("sign", torch.sign),
)
POSITIVE_FUNCTIONS: tuple[tuple[str, Callable[..., object]], ...] = (
    ("log", torch.log),
    ("log1p", torch.log1p),
    ("sqrt", torch.sqrt),
    ("rsqrt", torch.rsqrt),
    ("reciprocal", torch.reciprocal),
    ("pow_half", lambda x: torch.pow(x, 0.5)),
)
INT32 = (1, 4, 5, 6)


def _elementwise() -> list[OpModel]:
    one = (1, 8, 1, 1)
    return [
        _of("add", torch.add, IMAGE, IMAGE),
        _of("add_channel", torch.add, IMAGE, one),
        _of("add_row", torch.add, IMAGE, (1, 1, 1, 12)),
        _of("add_column", torch.add, IMAGE, (1, 1, 12, 1)),
        _of("add_both_ways", torch.add, (1, 8, 12, 1), (1, 8, 1, 12)),
        _of("add_scalar", lambda x: x + 0.7, IMAGE),
        _of("add_self", lambda x: x + x, IMAGE),
        _of("add_2d", torch.add, ROWS, ROWS),
        _of("sub", torch.sub, IMAGE, IMAGE),
        _of("sub_reversed", lambda x: 1.5 - x, IMAGE),
        _of("sub_channel", lambda a, b: b - a, IMAGE, one),
        _of("mul", torch.mul, IMAGE, IMAGE),
        _of("mul_channel", torch.mul, IMAGE, one),
        _of("mul_scalar", lambda x: x * -0.3, IMAGE),
        _of("mul_square", lambda x: x * x, IMAGE),
        _of("div", lambda a, b: a / (b + 1.0), IMAGE, IMAGE, kind="positive"),
        _of("minimum", torch.minimum, IMAGE, IMAGE),
        _of("maximum", torch.maximum, IMAGE, one),
        _of("abs", torch.abs, IMAGE),
        _of("neg", torch.neg, IMAGE),
        _of("relu", F.relu, IMAGE),
        _of("hardtanh", lambda x: F.hardtanh(x, -0.5, 0.7), IMAGE),
        _of("clamp", lambda x: x.clamp(-0.2, 0.9), IMAGE),
        _of("clamp_min", lambda x: x.clamp(min=0.1), IMAGE),
        _of("leaky_relu", lambda x: F.leaky_relu(x, 0.1), IMAGE),
        _module("prelu", lambda: nn.PReLU(8), IMAGE),
    ]


def _functions() -> list[OpModel]:
    return [
        *(_of(name, function, IMAGE) for name, function in FUNCTIONS),
        *(_of(name, function, IMAGE, kind="positive") for name, function in POSITIVE_FUNCTIONS),
        _of("pow_2", lambda x: torch.pow(x, 2), IMAGE),
        _of("greater_where", lambda a, b: torch.where(a > b, a, b * 0.5), IMAGE, IMAGE),
        _of("equal_where", lambda a, b: torch.where(a == b, a, b), IMAGE, IMAGE),
        _of("masked_fill", lambda x: x.masked_fill(x > 0.3, 0.25), IMAGE),
        _of("int32_add", torch.add, INT32, INT32, kind="int"),
        _of("int32_mul", torch.mul, INT32, INT32, kind="int"),
        _of("int32_maximum", torch.maximum, INT32, INT32, kind="int"),
        _of("int32_and", torch.bitwise_and, INT32, INT32, kind="int"),
        _of("int32_or", torch.bitwise_or, INT32, INT32, kind="int"),
        _of("int32_xor", torch.bitwise_xor, INT32, INT32, kind="int"),
        _of("int32_not", torch.bitwise_not, INT32, kind="int"),
    ]


def _reductions() -> list[OpModel]:
    return [
        _of("softmax", lambda x: torch.softmax(x, -1), ROWS),
        _of("softmax_channels", lambda x: torch.softmax(x, 1), IMAGE),
        _of("log_softmax", lambda x: torch.log_softmax(x, -1), ROWS),
        _module("max_pool_2", lambda: nn.MaxPool2d(2), IMAGE),
        _module("max_pool_3_s2_p1", lambda: nn.MaxPool2d(3, 2, 1), IMAGE),
        _module("max_pool_9", lambda: nn.MaxPool2d(9, 1, 4), IMAGE),
        _module("max_pool_dilated", lambda: nn.MaxPool2d(3, 1, dilation=2), IMAGE),
        _module("average_pool_2", lambda: nn.AvgPool2d(2), IMAGE),
        _module("average_pool_3_p1", lambda: nn.AvgPool2d(3, 2, 1), IMAGE),
        _module("average_pool_3_p1_valid", lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False), IMAGE),
        _module("average_pool_ceil", lambda: nn.AvgPool2d(3, 2, ceil_mode=True), IMAGE),
        _module("average_pool_7", lambda: nn.AvgPool2d(7), (1, 24, 7, 7)),
        _module("average_pool_16", lambda: nn.AvgPool2d(16), (1, 8, 16, 16)),
        _module("adaptive_average_pool", lambda: nn.AdaptiveAvgPool2d(1), WIDE),
        _of("mean_hw", lambda x: x.mean((2, 3)), IMAGE),
        _of("mean_channel", lambda x: x.mean(1, keepdim=True), IMAGE),
        _of("mean_last", lambda x: x.mean(-1), ROWS),
        _of("sum_channel", lambda x: x.sum(1), IMAGE),
        _of("sum_last", lambda x: x.sum(-1, keepdim=True), ROWS),
        _of("amax_keep", lambda x: x.amax(-1, keepdim=True), IMAGE),
        _of("amax_channel", lambda x: x.amax(1), IMAGE),
        _of("amin_keep", lambda x: x.amin(-1, keepdim=True), IMAGE),
        _of("amin_channel", lambda x: x.amin(1), IMAGE),
        _of("amin_last", lambda x: x.amin(-1), ROWS),
        _of("variance", lambda x: x.var((2, 3)), IMAGE),
        _module("layer_norm", lambda: nn.LayerNorm(16), SEQUENCE),
        _module("group_norm", lambda: nn.GroupNorm(2, 8), IMAGE),
        _module("batch_norm", lambda: nn.BatchNorm2d(8).eval(), IMAGE),
        _of("argmax", lambda x: x.argmax(1), IMAGE),
        _of("cumsum", lambda x: x.cumsum(-1), ROWS),
        _of("vector_norm", lambda x: torch.linalg.vector_norm(x, dim=-1), ROWS),
        _of("normalize", lambda x: F.normalize(x, dim=-1), ROWS),
        _of("cosine_rows", lambda a, b: F.cosine_similarity(a, b, dim=1), (6, 16), (6, 16)),
        _of("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, dim=1), (1, 8, 6, 6), (1, 8, 6, 6)),
    ]


def _shapes() -> list[OpModel]:
    return [
        _of("cat_channel", lambda a, b: torch.cat((a, b), 1), IMAGE, (1, 5, 12, 12)),
        _of("cat_row", lambda a, b: torch.cat((a, b), 2), IMAGE, IMAGE),
        _of("cat_mul", lambda a, b: torch.cat((a * 2, b * 3, a), 1), IMAGE, IMAGE),
        _of("stack", lambda a, b: torch.stack((a, b), 1), ROWS, ROWS),
        _of("split", lambda x: torch.split(x + 1.0, 3, 1), IMAGE),
        _of("chunk_add", lambda x: torch.add(*torch.chunk(x, 2, 1)), IMAGE),
        _of("slice", lambda x: x[:, 2:7, 1:9, 3:] * 2, IMAGE),
        _of("slice_step", lambda x: x[:, :, ::2, ::3] * 2, IMAGE),
        _of("permute_3d", lambda x: x.permute(0, 2, 1) * 2, SEQUENCE),
        _of("permute_4d", lambda x: x.permute(0, 2, 3, 1) * 2, IMAGE),
        _of("permute_hw", lambda x: x.permute(0, 1, 3, 2) * 2, WIDE),
        _of("permute_chw", lambda x: x.permute(0, 3, 2, 1) * 2, WIDE),
        _of("permute_5d", lambda x: x.permute(0, 2, 4, 1, 3) * 2, (1, 3, 4, 5, 6)),
        _module("reshape_linear", lambda: nn.Sequential(nn.Flatten(), nn.Linear(96, 10)), (1, 6, 4, 4)),
        _of("pad", lambda x: F.pad(x, (1, 2, 3, 1)), IMAGE),
        _of("pad_value", lambda x: F.pad(x, (1, 1), value=1.5), ROWS),
        _of("repeat", lambda x: x.repeat(1, 2, 1, 3), (1, 4, 5, 6)),
        _of("repeat_interleave", lambda x: x.repeat_interleave(2, 1), ROWS),
        _of("expand", lambda x: x.expand(1, 8, 6, 5) * 2, (1, 8, 1, 5)),
        _of("flip", lambda x: x.flip(2) * 2, IMAGE),
        _of("flip_columns", lambda x: x.flip(3) * 2, IMAGE),
        _of("flip_channels", lambda x: x.flip(1) * 2, IMAGE),
        _module("pixel_shuffle", lambda: nn.PixelShuffle(2), IMAGE),
        _module("pixel_unshuffle", lambda: nn.PixelUnshuffle(2), IMAGE),
        _of("upsample_nearest_2", lambda x: F.interpolate(x, scale_factor=2.0), IMAGE),
        _of("upsample_nearest_3", lambda x: F.interpolate(x, scale_factor=3.0), IMAGE),
        _of("upsample_bilinear", lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), IMAGE),
        _of("upsample_corners", lambda x: F.interpolate(x, (20, 17), mode="bilinear", align_corners=True), IMAGE),
        _of("glu", lambda x: F.glu(x, 1), IMAGE),
        _of("index_select", lambda x: torch.index_select(x, 1, torch.tensor([2, 0, 5])), ROWS),
        _module("embedding", lambda: nn.Embedding(16, 12), (1, 6), kind="index"),
        _of("remainder", lambda x: torch.remainder(x, 0.7), IMAGE),
        _of("floor_divide", lambda x: torch.floor_divide(x, 0.4), IMAGE),
    ]


def operators() -> tuple[OpModel, ...]:
    """Every operator model, in a fixed order; the first is built first."""
    return tuple(
        _convolutions()
        + _other_convolutions()
        + _networks()
        + _elementwise()
        + _functions()
        + _reductions()
        + _shapes()
    )
