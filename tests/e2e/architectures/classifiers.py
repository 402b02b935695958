"""Convolutional networks with one vector as output, with their usual layers and channels on small images."""

from __future__ import annotations

import torch
from settled import Made, image, settled
from torch import Tensor, nn
from torch.nn import functional


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1, act: type = nn.ReLU) -> nn.Module:
    """Convolution, BatchNorm, activation."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), act())


class Classifier(nn.Module):
    """Features, their mean over the image, a linear layer."""

    def __init__(self, features: nn.Module, channels: int, classes: int = 10):
        super().__init__()
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


class Add(nn.Module):
    """x + branch(x), with a projection where the shapes differ, and an activation."""

    def __init__(self, branch: nn.Module, skip: nn.Module | None = None, act: nn.Module | None = None):
        super().__init__()
        self.branch, self.skip, self.act = branch, skip or nn.Identity(), act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.branch(x) + self.skip(x))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, act: type, gate: type):
        super().__init__()
        inner = max(8, channels // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.act = nn.Conv2d(channels, inner, 1), act()
        self.up, self.gate = nn.Conv2d(inner, channels, 1), gate()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.up(self.act(self.down(self.pool(x)))))


def residual(inputs: int, outputs: int, stride: int) -> nn.Module:
    branch = nn.Sequential(conv(inputs, outputs, stride=stride), conv(outputs, outputs, act=nn.Identity))
    skip = conv(inputs, outputs, 1, stride, act=nn.Identity) if stride != 1 or inputs != outputs else None
    return Add(branch, skip, nn.ReLU())


def inverted(
    inputs: int, outputs: int, size: int, grow: int, stride: int, act: type, gate: nn.Module | None
) -> nn.Module:
    """MobileNet's inverted residual with `grow` channels inside."""
    layers = [conv(inputs, grow, 1, act=act), conv(grow, grow, size, stride, grow, act)]
    layers += [gate] if gate else []
    branch = nn.Sequential(*layers, conv(grow, outputs, 1, act=nn.Identity))
    return Add(branch) if stride == 1 and inputs == outputs else branch


def ds_cnn() -> Made:
    torch.manual_seed(0)
    blocks = [nn.Sequential(conv(64, 64, groups=64), conv(64, 64, 1)) for _ in range(4)]
    return settled(Classifier(nn.Sequential(conv(1, 64, 5, 2), *blocks), 64, 12), image(1, 1, 49, 10))


def resnet8() -> Made:
    torch.manual_seed(0)
    blocks = [residual(16, 16, 1), residual(16, 32, 2), residual(32, 64, 2)]
    return settled(Classifier(nn.Sequential(conv(3, 16), *blocks), 64), image(1, 3, 32, 32))


def resnet18() -> Made:
    torch.manual_seed(0)
    layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    last = 64
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [residual(last, channels, stride), residual(channels, channels, 1)]
        last = channels
    return settled(Classifier(nn.Sequential(*layers), 512), image(1, 3, 64, 64))


def mobilenet_v1() -> Made:
    torch.manual_seed(0)
    layers, last = [conv(3, 16, 3, 2)], 16
    for channels, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), *([(256, 1)] * 5)):
        layers += [conv(last, last, 3, stride, last), conv(last, channels, 1)]
        last = channels
    return settled(Classifier(nn.Sequential(*layers), last), image(1, 3, 96, 96))


def mobilenet_v3() -> Made:
    """The small one."""
    torch.manual_seed(0)
    rows = (
        *((3, 16, 16, True, False, 2), (3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1)),
        *((5, 96, 40, True, True, 2), (5, 240, 40, True, True, 1), (5, 240, 40, True, True, 1)),
        *((5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1), (5, 288, 96, True, True, 2)),
    )
    layers, last = [conv(3, 16, 3, 2, act=nn.Hardswish)], 16
    for size, grow, channels, gated, hard, stride in rows:
        act = nn.Hardswish if hard else nn.ReLU
        gate = Gate(grow, nn.ReLU, nn.Hardsigmoid) if gated else None
        layers.append(inverted(last, channels, size, grow, stride, act, gate))
        last = channels
    layers.append(conv(last, 576, 1, act=nn.Hardswish))
    return settled(Classifier(nn.Sequential(*layers), 576), image(1, 3, 64, 64))


def efficientnet_b0() -> Made:
    torch.manual_seed(0)
    rows = (
        (1, 16, 3, 1, 1),
        (6, 24, 3, 2, 2),
        (6, 40, 5, 2, 2),
        (6, 80, 3, 2, 3),
        (6, 112, 5, 1, 3),
        (6, 192, 5, 2, 4),
    )
    layers, last = [conv(3, 32, 3, 2, act=nn.SiLU)], 32
    for factor, channels, size, first, count in (*rows, (6, 320, 3, 1, 1)):
        for index in range(count):
            grow = last * factor
            gate = Gate(grow, nn.SiLU, nn.Sigmoid)
            layers.append(inverted(last, channels, size, grow, first if index == 0 else 1, nn.SiLU, gate))
            last = channels
    layers.append(conv(last, 1280, 1, act=nn.SiLU))
    return settled(Classifier(nn.Sequential(*layers), 1280), image(1, 3, 64, 64))


class Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.one, self.three = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.one(x)), functional.relu(self.three(x))], 1)


def squeezenet() -> Made:
    torch.manual_seed(0)
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    layers = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, Fire(64, 16, 64), Fire(128, 16, 64), pool, Fire(128, 32, 128)]
    layers += [Fire(256, 32, 128), pool, Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)]
    return settled(Classifier(nn.Sequential(*layers, nn.Conv2d(512, 10, 1), nn.ReLU()), 10), image(1, 3, 64, 64))


class Shuffle(nn.Module):
    """ShuffleNetV2's unit: half of the channels pass, both halves are interleaved."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        half, taken = outputs // 2, inputs if stride == 2 else outputs // 2
        self.split = stride == 1
        self.right = nn.Sequential(
            conv(taken, half, 1), conv(half, half, 3, stride, half, nn.Identity), conv(half, half, 1)
        )
        self.left = (
            nn.Identity()
            if self.split
            else nn.Sequential(conv(inputs, inputs, 3, stride, inputs, nn.Identity), conv(inputs, half, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1) if self.split else (x, x)
        x = torch.cat([self.left(left), self.right(right)], 1)
        batch, channels, height, width = x.shape
        return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


def shufflenet_v2() -> Made:
    torch.manual_seed(0)
    layers: list[nn.Module] = [conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    last = 24
    for channels, count in ((48, 4), (96, 8), (192, 4)):
        layers += [Shuffle(last if i == 0 else channels, channels, 2 if i == 0 else 1) for i in range(count)]
        last = channels
    return settled(Classifier(nn.Sequential(*layers, conv(last, 256, 1)), 256), image(1, 3, 64, 64))


class Dense(nn.Module):
    """DenseNet's layer: its output is appended to its input."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


def densenet() -> Made:
    torch.manual_seed(0)
    layers: list[nn.Module] = [conv(3, 24, 3, 2)]
    last = 24
    for _ in range(3):
        layers += [Dense(last + 12 * i, 12) for i in range(4)]
        last += 48
        layers += [conv(last, last // 2, 1), nn.AvgPool2d(2)]
        last //= 2
    return settled(Classifier(nn.Sequential(*layers), last), image(1, 3, 32, 32))


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.down(functional.gelu(self.up(y))).permute(0, 3, 1, 2)


def convnext() -> Made:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 4, 4), *(ConvNeXtBlock(32) for _ in range(2)), nn.Conv2d(32, 64, 2, 2)]
    return settled(Classifier(nn.Sequential(*layers, ConvNeXtBlock(64)), 64), image(1, 3, 32, 32))
