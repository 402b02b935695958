"""Weights by seed for whole networks: PyTorch's own initialisation, with BatchNorm settled on example inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Tensor, ...]]
NORMS = nn.BatchNorm1d | nn.BatchNorm2d


def image(*shape: int) -> Tensor:
    """Values of a normal distribution, the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def settled(model: nn.Module, *inputs: Tensor) -> Made:
    """The model in evaluation mode, with its inputs; each BatchNorm has the statistics of what it sees of them."""
    norms = [layer for layer in model.modules() if isinstance(layer, NORMS)]
    for norm in norms:
        norm.momentum = 1.0
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        model(*(torch.cat([value, torch.randn(15, *value.shape[1:], generator=generator)]) for value in inputs))
    for norm in norms:
        norm.num_batches_tracked.zero_()
    return model.eval(), inputs
