"""Sums of products as nodes of a graph: convolutions, linear layers, products of matrices and sums along dimensions.

It decides nothing. All but products of matrices and linear layers with one scale become convolutions of images
[N, H, W, C], the operator of the backend that has a scale for each output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.compile.integer_forms import operator_name
from etbuild.compile.integer_nodes import NHWC, IntegerNodes, edge

if TYPE_CHECKING:
    from etbuild.compile.integer_forms import Site


class IntegerProducts(IntegerNodes):
    """New nodes for sums of products."""

    def convolution(self, site: Site) -> Any:
        data, weight, bias, *sides, transposed, extra, groups = site.node.args
        read, weights, shape = data.args[0], weight.args[0], list(site.node.meta["val"].shape)
        in_a_row = len(shape) == 3
        if in_a_row:
            sides = [[one, *side] for one, side in zip((1, 0, 1), sides, strict=True)]
            weights = self.constant(site, "weight_2d", self.tensor(weights).unsqueeze(2))
            read, extra = self.view(site, read, _with_row(read.meta["val"].shape)), [0, 0]
            shape = _with_row(shape)
        read = self.last_channels(site, read)
        arguments = (read, weights, bias and bias.args[0], *map(list, sides), transposed, extra, groups)
        made = self._convolve(site, arguments, [shape[axis] for axis in NHWC], site.grids[weight])
        made = self.first_channels(site, made)
        return self.view(site, made, site.node.meta["val"].shape) if in_a_row else made

    def _convolve(self, site: Site, arguments: Sequence[Any], shape: Sequence[int], weights: Any) -> Any:
        """weights: the quantisation parameters of the weights."""
        target = edge().channels_last.convolution.default
        return self.quantised(site, target, arguments, shape, site.grid(0), weights)

    def linear(self, site: Site) -> Any:
        """With one scale for all weights as it is; else as a convolution of single pixels, which has one for each."""
        data, weight, bias = (*site.node.args, None)[:3]
        read, weights, grid = data.args[0], weight.args[0], site.grids[weight]
        addend, shape = bias and bias.args[0], site.node.meta["val"].shape
        if not grid.per_channel:
            target = site.node.target
            return self.quantised(site, target, (read, weights, addend), shape, site.grid(0), grid)
        wide = self.constant(site, "weight_2d", self.tensor(weights)[:, :, None, None])
        return self.view(site, self._pixels(site, read, wide, addend, grid), shape)

    def _pixels(self, site: Site, read: Any, weights: Any, bias: Any, grid: Any) -> Any:
        """The product of [..., I] with weights [O, I, 1, 1] as [1, rows, 1, O]. grid: of the weights."""
        outputs, inner = weights.meta["val"].shape[:2]
        rows = math.prod(read.meta["val"].shape) // inner
        image = self.view(site, read, (1, rows, 1, inner))
        arguments = (image, weights, bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        return self._convolve(site, arguments, (1, rows, 1, outputs), grid)

    def matrix(self, site: Site) -> Any:
        operands = [node.args[0] for node in site.node.args[:2]]
        shapes = [tuple(one.meta["val"].shape)[-2:] for one in operands]
        if operator_name(site.node) == "mm.default":
            operands = [self.view(site, one, (1, *size)) for one, size in zip(operands, shapes, strict=True)]
        shape = (operands[0].meta["val"].shape[0], shapes[0][0], shapes[1][1])
        made = self.quantised(site, edge().aten.bmm.default, operands, shape, site.grid(0), site.grid(1))
        return self.view(site, made, site.node.meta["val"].shape)

    def total(self, site: Site) -> Any:
        """A sum along dimensions: the product with a column of ones."""
        import torch

        read, given = site.node.args[0].args[0], site.node.args[1]
        rank, shape = len(read.meta["val"].shape), site.node.meta["val"].shape
        along = {axis % rank for axis in given} if given else set(range(rank))
        order = [axis for axis in range(rank) if axis not in along] + sorted(along)
        inner = math.prod(read.meta["val"].shape[axis] for axis in along)
        ones = self.constant(site, "ones", torch.ones((1, inner, 1, 1), dtype=torch.int8))
        rows = self.view(site, self.permuted(site, read, order), (math.prod(shape), inner))
        made = self._pixels(site, rows, ones, None, site.grid(0)._replace(scale=1.0, zp=0))
        return self.view(site, made, shape)


def _with_row(shape: Sequence[int]) -> list[int]:
    """[N, C, L] as [N, C, 1, L]."""
    return [*shape[:2], 1, shape[2]]
