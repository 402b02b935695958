"""Networks over time: recurrent ones, temporal convolutions, speech."""

from __future__ import annotations

import torch
from settled import Made, image, settled
from torch import Tensor, nn
from torch.nn import functional


class Recurrent(nn.Module):
    """A recurrent layer; the last step's output goes to a linear layer."""

    def __init__(self, layer: nn.Module, hidden: int):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(hidden, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


def lstm() -> Made:
    torch.manual_seed(0)
    return settled(Recurrent(nn.LSTM(9, 32, batch_first=True), 32), image(1, 12, 9))


def gru() -> Made:
    torch.manual_seed(0)
    return settled(Recurrent(nn.GRU(9, 32, batch_first=True), 32), image(1, 12, 9))


def conv1d(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, act: type = nn.ReLU) -> nn.Module:
    layer = nn.Conv1d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm1d(outputs), act())


class CausalBlock(nn.Module):
    """Dilated causal convolutions with a residual."""

    def __init__(self, inputs: int, outputs: int, dilation: int):
        super().__init__()
        self.past = 2 * dilation
        self.one = nn.Conv1d(inputs, outputs, 3, dilation=dilation)
        self.two = nn.Conv1d(outputs, outputs, 3, dilation=dilation)
        self.skip = nn.Conv1d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.one(functional.pad(x, (self.past, 0))))
        y = functional.relu(self.two(functional.pad(y, (self.past, 0))))
        return functional.relu(y + self.skip(x))


class Tcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(CausalBlock(8, 16, 1), CausalBlock(16, 16, 2), CausalBlock(16, 16, 4))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x)[:, :, -1])


def tcn() -> Made:
    torch.manual_seed(0)
    return settled(Tcn(), image(1, 8, 64))


def wav2letter() -> Made:
    """The layers of Arm's pruned one, with a quarter of its channels."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv1d(39, 64, 48, 2, 23), nn.ReLU()]
    for _ in range(7):
        layers += [nn.Conv1d(64, 64, 7, padding=3), nn.ReLU()]
    layers += [nn.Conv1d(64, 128, 32, padding=16), nn.ReLU(), nn.Conv1d(128, 128, 1), nn.ReLU(), nn.Conv1d(128, 29, 1)]
    return settled(nn.Sequential(*layers), image(1, 39, 148))


class MatchboxBlock(nn.Module):
    """Time-channel separable convolutions with a residual."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        layers = [
            nn.Sequential(conv1d(channels, channels, size, 1, channels, nn.Identity), conv1d(channels, channels, 1))
        ]
        self.branch = nn.Sequential(*layers, conv1d(channels, channels, size, 1, channels, nn.Identity))
        self.skip = conv1d(channels, channels, 1, act=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.branch(x) + self.skip(x))


class Matchbox(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(conv1d(16, 32, 11, 2), *(MatchboxBlock(32, size) for size in (13, 15, 17)))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean(2))


def matchboxnet() -> Made:
    torch.manual_seed(0)
    return settled(Matchbox(), image(1, 16, 64))


class Crnn(nn.Module):
    """Convolutions over a spectrogram, then a GRU over its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 8, 3, (1, 2), 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d((1, 2)))
        self.gru, self.head = nn.GRU(8 * 10, 24, batch_first=True), nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 1, 3).flatten(2)
        return torch.sigmoid(self.head(self.gru(x)[0]))


def crnn() -> Made:
    torch.manual_seed(0)
    return settled(Crnn(), image(1, 1, 10, 40))


class WaveNetBlock(nn.Module):
    """Gated dilated convolution: tanh times sigmoid."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.filter = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.gate = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x)))


def wavenet() -> Made:
    torch.manual_seed(0)
    blocks = [WaveNetBlock(16, dilation) for dilation in (1, 2, 4)]
    return settled(nn.Sequential(nn.Conv1d(1, 16, 1), *blocks, nn.ReLU(), nn.Conv1d(16, 8, 1)), image(1, 1, 64))
