"""Rewrites operators with an integer form so that ExecuTorch's Cortex-M passes know them. It decides nothing.

The dequantize nodes before an operator and the quantize nodes after it go; it reads and gives integers. Operators of
images become those for [N, H, W, C], with transpositions around them where their neighbours are no such operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etbuild.compile.integer_forms import Form, Site, variables
from etbuild.compile.integer_nodes import KEPT, NHWC, all_int8, edge, quantised_table
from etbuild.compile.integer_products import IntegerProducts


class Rewriting(IntegerProducts):
    """One program while its operators are rewritten, in the order of the graph."""

    def rewrite(self, site: Site) -> None:
        """Put the integer form of an operator in its place."""
        how = {
            Form.TABLE: self._table,
            Form.SUM_OF_TWO: self._of_two,
            Form.PRODUCT: self._of_two,
            Form.QUOTIENT: self._of_two,
            Form.CONVOLUTION: self.convolution,
            Form.LINEAR: self.linear,
            Form.MATRIX: self.matrix,
            Form.TOTAL: self.total,
            Form.MEAN_POOL: self._mean_pool,
            Form.MAX_POOL: self._max_pool,
            Form.ORDER: self._order,
            Form.POSITION: self._position,
            Form.PAD: self._pad,
        }
        with self.graph.inserting_before(site.node):
            made = how.get(site.form, self._on_the_results_grid)(site)
        if site.form is Form.POSITION:
            site.node.replace_all_uses_with(made)
            return
        for reader in list(site.last.users):
            reader.replace_all_uses_with(made)
            self.graph.erase_node(reader)

    def _table(self, site: Site) -> Any:
        import torch

        (read,) = variables(site, self.program)
        grid = next(grid for node, grid in site.grids.items() if node.args[0] is read)
        values = grid.dequantize_value(all_int8())

        def value(node: Any) -> Any:
            if node.args[0] is read:
                return values
            return site.grids[node].dequantize_value(self.tensor(node.args[0])).reshape(())

        arguments, kwargs = torch.fx.map_arg((site.node.args, dict(site.node.kwargs)), value)
        table = quantised_table(site.result, site.node.target._op(*arguments, **kwargs))
        return self.lookup(site, read, table, "table")

    def _of_two(self, site: Site) -> Any:
        shape, operands = site.node.meta["val"].shape, []
        for node in site.node.args[:2]:
            whole = node.args[0]
            if whole.meta["val"].shape != shape:
                whole = self.call(site, edge().aten.expand_copy.default, (whole, list(shape)), shape)
            operands.append(whole)
        made = self.quantised(site, site.node.target, operands, shape, site.grid(0), site.grid(1))
        made.kwargs = dict(site.node.kwargs)
        return made

    def _on_the_results_grid(self, site: Site) -> Any:
        """The same operator on integers, all with the quantisation parameters of the result."""
        import torch

        def integers(node: Any) -> Any:
            return self.regridded(site, node.args[0], site.grids[node]) if node in site.grids else node

        arguments, kwargs = torch.fx.map_arg((site.node.args, dict(site.node.kwargs)), integers)
        made = self.call(site, site.node.target, arguments, site.node.meta["val"].shape, **kwargs)
        made.meta |= {"input_qparams": {0: site.result}, "output_qparams": {0: site.result}}
        return made

    def _pad(self, site: Site) -> Any:
        data, pads = site.node.args[:2]
        value = [0, *(one for one in site.node.args[2:] if not isinstance(one, str) and one is not None)][-1]
        read = self.regridded(site, data.args[0], site.grid(0))
        arguments = (read, list(pads), value)
        shape = site.node.meta["val"].shape
        return self.quantised(site, edge().aten.constant_pad_nd.default, arguments, shape, site.result)

    def _order(self, site: Site) -> Any:
        """The largest of integers, then with the quantisation parameters of the result."""
        (grid,) = site.grids.values()
        read = (site.node.args[0].args[0], *site.node.args[1:])
        made = self.call(site, site.node.target, read, site.node.meta["val"].shape, **site.node.kwargs)
        return self.regridded(site, made, grid)

    def _position(self, site: Site) -> Any:
        made = self.graph.create_node(
            "call_function", site.node.target, (site.node.args[0].args[0], *site.node.args[1:]), dict(site.node.kwargs)
        )
        made.meta = dict(site.node.meta)
        return made

    def _mean_pool(self, site: Site) -> Any:
        data, kernel, *rest = site.node.args
        stride, pad, up, with_pad = (*rest, *([], [0, 0], False, True)[len(rest) :])[:4]
        arguments = (_both(kernel), _both(stride or kernel), _both(pad), up, with_pad)
        return self._pooled(site, edge().channels_last.avg_pool2d.default, data.args[0], arguments)

    def _max_pool(self, site: Site) -> Any:
        """In the backend's own kernel, which has no dilation; else the same operator on integers."""
        import operator

        (grid,) = site.grids.values()
        data, kernel, *rest = site.node.args
        stride, pad, dilation, up = (*rest, *([], [0, 0], [1, 1], False)[len(rest) :])[:4]
        same = (grid.scale, grid.zp) == (site.result.scale, site.result.zp)
        if same and not up and _both(dilation) == [1, 1] and len(site.last.meta["val"].shape) == 4:
            arguments = (_both(kernel), _both(stride or kernel), _both(pad))
            return self._pooled(site, edge().channels_last.max_pool2d.default, data.args[0], arguments)
        both = self.graph.create_node("call_function", site.node.target, (data.args[0], kernel, *rest))
        both.meta = {key: value for key, value in site.node.meta.items() if key in KEPT}
        made = self.call(site, operator.getitem, (both, 0), site.last.meta["val"].shape)
        both.meta["val"] = (made.meta["val"], site.node.meta["val"][1])
        return self.regridded(site, made, grid)

    def _pooled(self, site: Site, target: Any, read: Any, arguments: Sequence[Any]) -> Any:
        sizes = site.last.meta["val"].shape
        image = self.last_channels(site, read)
        made = self.quantised(site, target, (image, *arguments), [sizes[axis] for axis in NHWC], site.grid(0))
        return self.first_channels(site, made)


def _both(sides: Sequence[int]) -> list[int]:
    """A number for rows and one for columns, where one may be for both."""
    return [sides[0], sides[-1]]
