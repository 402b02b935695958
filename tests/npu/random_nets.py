"""Random small nets of one to five layers, each a pure function of its seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor, nn

from tests.npu.corpus import OpModel


@dataclass
class _Shape:
    channels: int
    height: int
    width: int


@dataclass
class _Net:
    rng: random.Random
    shape: _Shape
    layers: list[nn.Module] = field(default_factory=list)


class _Residual(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class _Concatenated(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.inner(x)), 1)


class _SqueezeExcite(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))


class _Upsampled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0)


def _convolution(net: _Net) -> None:
    rng, shape = net.rng, net.shape
    kernel, stride = rng.choice((1, 2, 3, 5, 7)), rng.choice((1, 1, 2, 3))
    dilation = rng.choice((1, 1, 1, 2)) if stride == 1 else 1
    channels = rng.choice((1, 3, 8, 15, 16, 17, 32, 40))
    layer = nn.Conv2d(
        shape.channels, channels, kernel, stride, padding=dilation * (kernel // 2), dilation=dilation,
        bias=rng.random() < 0.8,
    )  # fmt: skip
    _append(net, layer)


def _depthwise(net: _Net) -> None:
    kernel, stride = net.rng.choice((2, 3, 5)), net.rng.choice((1, 2))
    channels = net.shape.channels
    _append(net, nn.Conv2d(channels, channels, kernel, stride, padding=kernel // 2, groups=channels))


def _pool(net: _Net) -> None:
    if min(net.shape.height, net.shape.width) < 4:
        return
    kind = net.rng.choice((nn.MaxPool2d, nn.AvgPool2d))
    kernel, padding = net.rng.choice(((2, 0), (3, 1), (3, 0)))
    _append(net, kind(kernel, net.rng.choice((1, 2)), padding))


def _activation(net: _Net) -> None:
    kind = net.rng.choice((nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.LeakyReLU, nn.GELU))
    _append(net, kind())


def _residual(net: _Net) -> None:
    channels = net.shape.channels
    _append(net, _Residual(nn.Conv2d(channels, channels, 3, padding=1)))


def _concatenate(net: _Net) -> None:
    _append(net, _Concatenated(nn.Conv2d(net.shape.channels, net.rng.choice((4, 8, 13)), 1)))


def _squeeze_excite(net: _Net) -> None:
    _append(net, _SqueezeExcite(net.shape.channels))


def _upsample(net: _Net) -> None:
    if net.shape.height * net.shape.width <= 400:
        _append(net, _Upsampled())


def _transposed(net: _Net) -> None:
    if net.shape.height * net.shape.width <= 400:
        _append(net, nn.ConvTranspose2d(net.shape.channels, net.rng.choice((4, 8, 12)), 3, 2, 1, 1))


_LAYERS: tuple[Callable[[_Net], None], ...] = (
    _convolution, _convolution, _convolution, _depthwise, _depthwise, _pool, _activation, _activation,
    _residual, _concatenate, _squeeze_excite, _upsample, _transposed,
)  # fmt: skip


def _append(net: _Net, layer: nn.Module) -> None:
    net.layers.append(layer)
    with torch.no_grad():
        shape = net.shape
        result = nn.Sequential(layer)(torch.zeros(1, shape.channels, shape.height, shape.width))
    net.shape = _Shape(*result.shape[1:])


def random_net(seed: int) -> OpModel:
    """The net of this seed: the same layers and weights every time."""
    rng = random.Random(seed)
    start = _Shape(rng.choice((1, 3, 8, 16, 19)), rng.randint(6, 20), rng.randint(6, 20))

    def make() -> nn.Module:
        torch.manual_seed(seed)
        net = _Net(random.Random(seed + 1), start)
        _convolution(net)
        for _ in range(net.rng.randint(0, 4)):
            net.rng.choice(_LAYERS)(net)
        return nn.Sequential(*net.layers).eval()

    return OpModel(f"net_{seed:03}", make, ((1, start.channels, start.height, start.width),))
