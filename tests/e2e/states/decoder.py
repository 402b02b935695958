"""A small decoder that writes 64 tokens, each chosen from what it computed of those before.

All that it remembers is in buffers: keys and values of each layer, the mask of the positions that have any, and the
last token. The application passes the position, and reads scores and token.

input:      [1] int64, the position, 0..63.
output:     [1, 32] float32, the scores of the next token; [1] int64, that token.
parameters: 12,736; by seed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TOKENS, POSITIONS, LAYERS = 32, 64, 1
HEADS, DEPTH = 4, 8
WIDTH = HEADS * DEPTH
HIDDEN = -8.0  # added to the score of a position without a key


class Attention(nn.Module):
    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(1, POSITIONS, WIDTH), persistent=False)

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        self.keys.index_copy_(1, position, self.key(x))
        self.values.index_copy_(1, position, self.value(x))
        query, keys, values = (
            every.view(1, -1, HEADS, DEPTH).transpose(1, 2) for every in (self.query(x), self.keys, self.values)
        )
        scores = query @ keys.transpose(2, 3) * DEPTH**-0.5 + mask
        found = torch.softmax(scores, -1) @ values
        return self.out(found.transpose(1, 2).reshape(1, 1, WIDTH))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.feed = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor, position: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x), position, mask)
        return x + self.feed(self.norms[1](x))


class Decoder(nn.Module):
    mask: Tensor
    token: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(TOKENS, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS)
        self.register_buffer("mask", torch.full((1, 1, 1, POSITIONS), HIDDEN), persistent=False)
        self.register_buffer("token", torch.ones(1, dtype=torch.int64), persistent=False)

    def forward(self, position: Tensor) -> tuple[Tensor, Tensor]:
        x = (self.tokens(self.token) + self.positions(position)).view(1, 1, WIDTH)
        self.mask.index_copy_(3, position, torch.zeros(1, 1, 1, 1))
        for layer in self.layers:
            x = layer(x, position, self.mask)
        scores = self.head(self.norm(x)).view(1, TOKENS)
        self.token.copy_(scores.argmax(-1))
        return scores, self.token


with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    ModelUnderTest = Decoder().eval()
ModelInputs = (torch.tensor([0]),)
