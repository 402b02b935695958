"""Nodes of a graph that compute with integers. It decides nothing and removes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etbuild.compile.integer_forms import Site

# Where the program's source is, which reports show.
KEPT = ("stack_trace", "nn_module_stack", "from_node", "custom")
# The order of the dimensions N, C, H, W as N, H, W, C, and back.
NHWC, _NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


class IntegerNodes:
    """New nodes in the graph of a program, each for one operator, the site, whose type and source they get.

    graph:   that of the program, in place.
    program: the ExportedProgram, which gets new constants.
    """

    def __init__(self, graph: Any, program: Any):
        self.graph, self.program = graph, program
        self._first = next(node for node in graph.nodes if node.op == "placeholder")
        # By node in the order N, C, H, W: the node with the same elements in the order N, H, W, C.
        self._channels_last: dict[Any, Any] = {}
        # By view: what it is a view of.
        self._viewed: dict[Any, Any] = {}

    def call(self, site: Site, target: Any, arguments: Sequence[Any], shape: Sequence[int], **kwargs: Any) -> Any:
        """A call whose result is of the type of the operator's."""
        node = self.graph.create_node("call_function", target, tuple(arguments), kwargs)
        node.meta = {key: value for key, value in site.node.meta.items() if key in KEPT}
        dtype = (site.result or next(iter(site.grids.values()))).dtype
        node.meta["val"] = next(iter(site.grids)).meta["val"].new_empty(tuple(shape), dtype=dtype)
        return node

    def quantised(self, site: Site, target: Any, arguments: Sequence[Any], shape: Sequence[int], *grids: Any) -> Any:
        """A call for which the backend's passes look up the quantisation parameters of inputs and result."""
        node = self.call(site, target, arguments, shape)
        node.meta |= {"input_qparams": dict(enumerate(grids)), "output_qparams": {0: site.result}}
        return node

    def constant(self, site: Site, name: str, value: Any) -> Any:
        from executorch.backends.transforms.utils import create_constant_placeholder
        from torch.export.graph_signature import InputKind

        with self.graph.inserting_before(self._first):
            return create_constant_placeholder(
                self.program, self.graph, f"{site.node.name}_{name}", InputKind.PARAMETER, value
            )

    def tensor(self, node: Any) -> Any:
        """The value of a constant."""
        from executorch.backends.transforms.utils import get_param_tensor

        return get_param_tensor(self.program, node)

    def view(self, site: Site, node: Any, shape: Sequence[int]) -> Any:
        node = self._viewed.get(node, node)
        if tuple(node.meta["val"].shape) == tuple(shape):
            return node
        made = self.call(site, edge().aten.view_copy.default, (node, list(shape)), shape)
        self._viewed[made] = node
        return made

    def permuted(self, site: Site, node: Any, order: Sequence[int]) -> Any:
        """A node with its dimensions in another order; a view where only those of size 1 move."""
        sizes = node.meta["val"].shape
        shape = [sizes[axis] for axis in order]
        moved = [axis for axis in order if sizes[axis] != 1]
        if moved == sorted(moved):
            return self.view(site, node, shape)
        return self.call(site, edge().aten.permute_copy.default, (node, list(order)), shape)

    def last_channels(self, site: Site, node: Any) -> Any:
        """The elements of a node [N, C, H, W] as [N, H, W, C]."""
        return self._channels_last.get(node) or self.permuted(site, node, NHWC)

    def first_channels(self, site: Site, node: Any) -> Any:
        """The elements of a node [N, H, W, C] as [N, C, H, W]."""
        made = self.permuted(site, node, _NCHW)
        self._channels_last[made] = node
        return made

    def lookup(self, site: Site, node: Any, table: Any, name: str) -> Any:
        """A table applied to each element, before the channels of an image are moved back."""
        target, constant = edge().cortex_m.quantized_activation.default, self.constant(site, name, table)
        last = self._channels_last.get(node)
        if last is None:
            return self.call(site, target, (node, constant), node.meta["val"].shape)
        return self.first_channels(site, self.call(site, target, (last, constant), last.meta["val"].shape))

    def regridded(self, site: Site, node: Any, grid: Any) -> Any:
        """The elements of a node, of these quantisation parameters, with those of the result."""
        if (grid.scale, grid.zp) == (site.result.scale, site.result.zp):
            return node
        table = quantised_table(site.result, grid.dequantize_value(all_int8()))
        return self.lookup(site, node, table, f"{node.name}_table")


def edge() -> Any:
    import executorch.backends.cortex_m.ops.operators
    import executorch.backends.transforms.channels_last_ops  # noqa: F401 - both register operators
    from executorch.exir.dialects._ops import ops

    return ops.edge


def all_int8() -> Any:
    """All numbers that int8 has, in order: a table has one entry for each."""
    import torch

    return torch.arange(-128, 128, dtype=torch.int8)


def quantised_table(grid: Any, values: Any) -> Any:
    """Real numbers as a table of int8. An entry that is no number gets that of the nearest number that has one."""
    import torch

    defined = torch.nonzero(~torch.isnan(values)).flatten()
    nearest = (torch.arange(len(values))[:, None] - defined[None, :]).abs().argmin(1) if len(defined) else None
    return grid.quantize_value(values if nearest is None else values[defined[nearest]]).to(torch.int8)
