"""Networks whose outputs are images or several tensors: autoencoders, segmenters, detectors."""

from __future__ import annotations

from itertools import pairwise

import torch
from classifiers import Gate, conv, inverted, residual
from settled import Made, image, settled
from torch import Tensor, nn
from torch.nn import functional


def autoencoder() -> Made:
    """MLPerf Tiny's, for machine sounds."""
    torch.manual_seed(0)
    sizes = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return settled(nn.Sequential(*layers, nn.Linear(128, 640)), image(1, 640))


class UNet(nn.Module):
    def __init__(self, up: nn.Module, channels: tuple[int, ...] = (8, 16, 32)):
        super().__init__()
        first, second, third = channels
        self.one = nn.Sequential(conv(3, first), conv(first, first))
        self.two = nn.Sequential(conv(first, second), conv(second, second))
        self.three = nn.Sequential(conv(second, third), conv(third, third))
        self.up_two, self.up_one = conv(third + second, second), conv(second + first, first)
        self.pool, self.up, self.head = nn.MaxPool2d(2), up, nn.Conv2d(first, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        two = self.two(self.pool(one))
        three = self.three(self.pool(two))
        two = self.up_two(torch.cat([self.up(three), two], 1))
        return self.head(self.up_one(torch.cat([self.up(two), one], 1)))


def unet() -> Made:
    torch.manual_seed(0)
    return settled(UNet(nn.Upsample(scale_factor=2, mode="nearest")), image(1, 3, 32, 32))


class TransposedUp(nn.Module):
    """Hourglass whose decoder is transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2))
        self.up = nn.Sequential(nn.ConvTranspose2d(32, 16, 2, 2), nn.ReLU(), nn.ConvTranspose2d(16, 4, 4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.up(self.down(x)))


def hourglass() -> Made:
    torch.manual_seed(0)
    return settled(TransposedUp(), image(1, 3, 32, 32))


class DeepLab(nn.Module):
    """Dilated convolutions side by side, concatenated, with the image's mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2), residual(16, 32, 2), residual(32, 32, 1))
        self.rates = nn.ModuleList(nn.Conv2d(32, 16, 3, padding=rate, dilation=rate) for rate in (1, 2, 4))
        self.mix, self.head = conv(48, 32, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.mix(torch.cat([functional.relu(branch(x)) for branch in self.rates], 1))
        return functional.interpolate(self.head(x), scale_factor=2.0, mode="nearest")


def deeplab() -> Made:
    torch.manual_seed(0)
    return settled(DeepLab(), image(1, 3, 32, 32))


class SsdLite(nn.Module):
    """Two feature maps, a class head and a box head on each: four outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2, act=nn.ReLU6), inverted(16, 24, 3, 64, 2, nn.ReLU6, None))
        self.more = inverted(24, 32, 3, 96, 2, nn.ReLU6, Gate(96, nn.ReLU, nn.Hardsigmoid))
        self.classes = nn.ModuleList(nn.Conv2d(channels, 3 * 5, 3, padding=1) for channels in (24, 32))
        self.boxes = nn.ModuleList(nn.Conv2d(channels, 3 * 4, 3, padding=1) for channels in (24, 32))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        near = self.stem(x)
        maps = (near, self.more(near))
        found = [head(x).permute(0, 2, 3, 1).flatten(1) for x, head in zip(maps, self.classes, strict=True)]
        return (*found, *(head(x).permute(0, 2, 3, 1).flatten(1) for x, head in zip(maps, self.boxes, strict=True)))


def ssd_lite() -> Made:
    torch.manual_seed(0)
    return settled(SsdLite(), image(1, 3, 64, 64))


class TinyYolo(nn.Module):
    """Spatial pyramid of pools, upsampled and concatenated with a finer map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2, act=nn.SiLU), conv(16, 32, 3, 2, act=nn.SiLU))
        self.deep = conv(32, 64, 3, 2, act=nn.SiLU)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9))
        self.mix, self.join = conv(192, 64, 1, act=nn.SiLU), conv(96, 32, act=nn.SiLU)
        self.head = nn.Conv2d(32, 18, 1)

    def forward(self, x: Tensor) -> Tensor:
        near = self.stem(x)
        deep = self.deep(near)
        deep = self.mix(torch.cat([deep, *(pool(deep) for pool in self.pools)], 1))
        deep = functional.interpolate(deep, scale_factor=2.0, mode="nearest")
        return self.head(self.join(torch.cat([deep, near], 1)))


def tiny_yolo() -> Made:
    torch.manual_seed(0)
    return settled(TinyYolo(), image(1, 3, 64, 64))
