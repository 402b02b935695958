"""Transformers and their relatives."""

from __future__ import annotations

import math

import torch
from settled import Made, image, settled
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads, self.size = heads, size // heads
        self.q, self.k, self.v = (nn.Linear(size, size) for _ in range(3))
        self.out = nn.Linear(size, size)

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, self.size).transpose(1, 2)

    def place(self, x: Tensor) -> Tensor:
        """Queries or keys with their positions."""
        return x

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        queries, keys = self.place(self.split(self.q(x))), self.place(self.split(self.k(x)))
        scores = queries @ keys.transpose(2, 3) / math.sqrt(self.size)
        if mask is not None:
            scores = scores + mask
        mixed = functional.softmax(scores, -1) @ self.split(self.v(x))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """LayerNorm, attention, LayerNorm, MLP with GELU; both with residuals."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.one, self.two = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = Attention(size, heads)
        self.mlp = nn.Sequential(nn.Linear(size, 2 * size), nn.GELU(), nn.Linear(2 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.one(x))
        return x + self.mlp(self.two(x))


class Vit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 48, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 48) * 0.02)
        self.places = nn.Parameter(torch.randn(1, 17, 48) * 0.02)
        self.blocks = nn.Sequential(Block(48, 3), Block(48, 3))
        self.norm, self.head = nn.LayerNorm(48), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit_tiny() -> Made:
    torch.manual_seed(0)
    return settled(Vit(), image(1, 3, 32, 32))


class RmsNorm(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Rotary(Attention):
    """Attention whose queries and keys are rotated by their positions."""

    def __init__(self, size: int, heads: int, length: int):
        super().__init__(size, heads)
        half = self.size // 2
        angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(half) / half)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def place(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        return torch.cat([left * self.cos - right * self.sin, left * self.sin + right * self.cos], -1)


class LlamaBlock(nn.Module):
    """RMSNorm, causal attention with rotary positions, SwiGLU."""

    def __init__(self, size: int, heads: int, length: int):
        super().__init__()
        self.one, self.two, self.attention = RmsNorm(size), RmsNorm(size), Rotary(size, heads, length)
        self.gate, self.up, self.down = nn.Linear(size, 96), nn.Linear(size, 96), nn.Linear(96, size)
        # Not minus infinity, which no quantiser can scale.
        self.register_buffer("mask", torch.full((length, length), -10.0).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.one(x), self.mask)
        y = self.two(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


def llama_block() -> Made:
    torch.manual_seed(0)
    return settled(LlamaBlock(48, 4, 8), image(1, 8, 48))


class ConformerBlock(nn.Module):
    """Half an MLP, attention, convolution with a gate, half an MLP."""

    def __init__(self, size: int):
        super().__init__()
        self.first, self.last = self._mlp(size), self._mlp(size)
        self.norm, self.attention = nn.LayerNorm(size), Attention(size, 4)
        self.conv_norm = nn.LayerNorm(size)
        self.wide, self.narrow = nn.Conv1d(size, 2 * size, 1), nn.Conv1d(size, size, 1)
        self.depthwise = nn.Conv1d(size, size, 7, padding=3, groups=size)
        self.batch_norm, self.end = nn.BatchNorm1d(size), nn.LayerNorm(size)

    @staticmethod
    def _mlp(size: int) -> nn.Module:
        return nn.Sequential(nn.LayerNorm(size), nn.Linear(size, 2 * size), nn.SiLU(), nn.Linear(2 * size, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.first(x)
        x = x + self.attention(self.norm(x))
        value, gate = self.wide(self.conv_norm(x).transpose(1, 2)).chunk(2, 1)
        y = functional.silu(self.batch_norm(self.depthwise(value * torch.sigmoid(gate))))
        x = x + self.narrow(y).transpose(1, 2)
        return self.end(x + 0.5 * self.last(x))


def conformer() -> Made:
    torch.manual_seed(0)
    return settled(nn.Sequential(ConformerBlock(32), ConformerBlock(32), nn.Linear(32, 12)), image(1, 24, 32))


class MixerBlock(nn.Module):
    """An MLP over patches, an MLP over channels."""

    def __init__(self, patches: int, size: int):
        super().__init__()
        self.one, self.two = nn.LayerNorm(size), nn.LayerNorm(size)
        self.over_patches = nn.Sequential(nn.Linear(patches, 32), nn.GELU(), nn.Linear(32, patches))
        self.over_channels = nn.Sequential(nn.Linear(size, 64), nn.GELU(), nn.Linear(64, size))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.over_patches(self.one(x).transpose(1, 2)).transpose(1, 2)
        return x + self.over_channels(self.two(x))


class Mixer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 32, 8, 8), nn.Linear(32, 10)
        self.blocks = nn.Sequential(MixerBlock(16, 32), MixerBlock(16, 32))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


def mlp_mixer() -> Made:
    torch.manual_seed(0)
    return settled(Mixer(), image(1, 3, 32, 32))


class LinearAttention(nn.Module):
    """Attention without softmax: keys and values are multiplied first."""

    def __init__(self, size: int):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(size, size) for _ in range(3))
        self.norm, self.out = nn.LayerNorm(size), nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k = functional.relu(self.q(y)), functional.relu(self.k(y))
        return x + self.out(q @ (k.transpose(1, 2) @ self.v(y)) / x.shape[1])


def linear_attention() -> Made:
    torch.manual_seed(0)
    return settled(nn.Sequential(LinearAttention(32), LinearAttention(32), nn.Linear(32, 8)), image(1, 16, 32))
