"""Weights and inputs for networks that nobody trained. They mean nothing, but behave as trained ones do.

Signals neither die nor blow up with depth, BatchNorm holds the statistics of its own inputs, and outputs differ from
sample to sample, so that quantisation and bit-exactness are tested on live values. Everything is made in float64 and
rounded to 8 bits of mantissa, which hides the last-bit differences between CPUs: the same seed, the same weights.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

# Tiles along each side of the three layers of a mosaic. The coarse ones make samples differ after global pooling.
TILES = (1, 4, 16)


def mosaics(samples: int, shape: Sequence[int], seed: int) -> Tensor:
    """Random tiles in three layers, coarse to fine, added up.

    shape:  channels, height, width of a sample.
    return: [samples, *shape] float32 in -3..3, in steps of 1/64: exact in float16.
    """
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(samples, channels, height, width)
    for count in TILES:
        grid = (samples, channels, min(count, height), min(count, width))
        tiles = torch.randint(-64, 65, grid, generator=generator) / 64
        total += nn.functional.interpolate(tiles, size=(height, width), mode="nearest")
    return total


def seeded(model: nn.Module, samples: Tensor, seed: int) -> nn.Module:
    """Give the model weights by seed, settled on `samples`, and return it in evaluation mode.

    samples: a batch of inputs as the model will see them; its last linear layer, which must be its last layer, is set
             so that outputs over the batch have mean 0 each and standard deviation 1 together.
    """
    generator = torch.Generator().manual_seed(seed)
    model.double().eval()
    with torch.no_grad(), _one_thread():
        for layer in model.modules():
            _draw(layer, generator)
        _settle_batch_norms(model, samples.double())
        _settle_output(model, samples.double())
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.copy_(value.bfloat16())
    return model.float()


@contextmanager
def _one_thread() -> Iterator[None]:
    """float64 convolutions start threads so often that on a busy machine two are ten times slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _draw(layer: nn.Module, generator: torch.Generator) -> None:
    """He's uniform initialisation, except what keeps deep networks from amplifying noise as random ones do.

    BatchNorm's offset about equals its scale, so that most values pass the ReLU, and depthwise kernels blur a little:
    int8 then differs from float by about a sixth of the output's spread on MobileNetV2; by all of it without these two.
    """

    def fill(value: Tensor, low: float, high: float) -> None:
        value.copy_(low + (high - low) * torch.rand(value.shape, generator=generator, dtype=value.dtype))

    if isinstance(layer, nn.Conv2d | nn.Linear):
        bound = math.sqrt(6 / layer.weight[0].numel())
        shift = bound / 4 if isinstance(layer, nn.Conv2d) and layer.groups > 1 else 0.0
        fill(layer.weight, shift - bound, shift + bound)
        if layer.bias is not None:
            fill(layer.bias, -0.1, 0.1)
    elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        fill(layer.weight, 0.5, 1.0)
        fill(layer.bias, 0.5, 1.0)


def _settle_batch_norms(model: nn.Module, samples: Tensor) -> None:
    """One pass in training mode with momentum 1: each layer's running statistics become those of the batch."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    model(samples)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        norm.eval()
        norm.num_batches_tracked.zero_()


def _settle_output(model: nn.Module, samples: Tensor) -> None:
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    outputs = model(samples)
    mean = outputs.mean(0)
    scale = 1 / (outputs - mean).square().mean().sqrt()
    last.weight.mul_(scale)
    last.bias.sub_(mean).mul_(scale)
