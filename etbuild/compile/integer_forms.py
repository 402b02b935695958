"""Which operators between dequantize and quantize nodes ExecuTorch's Cortex-M backend can compute in integers.

It changes no graph; `integer_rewriting` does.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, NamedTuple

Form = Enum(
    "Form",
    "COPY PAD ORDER MAX_POOL MEAN_POOL POSITION TABLE SUM_OF_TWO PRODUCT QUOTIENT CHOICE "
    "CONVOLUTION LINEAR MATRIX TOTAL",
)

# Operators that copy elements: integers pass them unchanged when all have one scale and zero point.
_COPIES = {
    *("view_copy", "permute_copy", "transpose_copy", "t_copy", "squeeze_copy", "unsqueeze_copy", "select_copy"),
    *("slice_copy", "narrow_copy", "expand_copy", "repeat", "repeat_interleave", "cat", "stack", "flip", "roll"),
    *("split_copy", "clone", "_clone_dim_order", "alias_copy", "upsample_nearest2d", "pixel_shuffle"),
    *("pixel_unshuffle", "unfold_copy", "diagonal_copy", "index", "index_select", "gather", "where"),
    *("select_scatter", "slice_scatter", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d"),
    *("replication_pad1d", "replication_pad2d", "replication_pad3d"),
}
_BY_NAME = {
    "amax.default": Form.ORDER,
    "amin.default": Form.ORDER,
    "argmax.default": Form.POSITION,
    "argmin.default": Form.POSITION,
    "max_pool2d_with_indices.default": Form.MAX_POOL,
    "avg_pool2d.default": Form.MEAN_POOL,
    "constant_pad_nd.default": Form.PAD,
    "pad.default": Form.PAD,
    "add.Tensor": Form.SUM_OF_TWO,
    "sub.Tensor": Form.SUM_OF_TWO,
    "mul.Tensor": Form.PRODUCT,
    "div.Tensor": Form.QUOTIENT,
    "minimum.default": Form.CHOICE,
    "maximum.default": Form.CHOICE,
    "convolution.default": Form.CONVOLUTION,
    "linear.default": Form.LINEAR,
    "bmm.default": Form.MATRIX,
    "mm.default": Form.MATRIX,
    "sum.dim_IntList": Form.TOTAL,
}
_OF_TWO = (Form.SUM_OF_TWO, Form.PRODUCT, Form.QUOTIENT, Form.CHOICE)
# Integers are computed with as they are: no pass of the backend needs sizes.
_OF_ANY_SIZE = (Form.COPY, Form.ORDER, Form.POSITION, Form.TABLE)
# Operators of single elements that PyTorch does not tag as such.
_UNTAGGED = ("hardswish.default", "log_sigmoid.default")
# After a convolution or a linear layer they only narrow the range of the result.
_ACTIVATIONS = ("relu.default", "hardtanh.default", "clamp.default")


class Site(NamedTuple):
    """An operator with an integer form.

    grids:  quantisation parameters (ExecuTorch's QuantArgs) by dequantize node among its inputs.
    result: those of its quantize nodes; None for an operator whose results are positions.
    last:   the node that the quantize nodes read: the operator, its activation, or its first result.
    """

    node: Any
    form: Form
    grids: dict[Any, Any]
    result: Any
    last: Any

    def grid(self, argument: int) -> Any:
        """The quantisation parameters of a tensor argument, by its position."""
        return self.grids[self.node.args[argument]]


def operator_name(node: Any) -> str:
    """An operator's name without its namespace: "add.Tensor"; "" for what is no operator."""
    return str(getattr(node.target, "_op", "")).partition(".")[2] if node.op == "call_function" else ""


def computes_floats(node: Any) -> bool:
    """Whether a node is an operator that reads or gives floating point."""
    return bool(operator_name(node)) and any(map(_is_float, (node, *node.all_input_nodes)))


def find(node: Any, program: Any) -> Site | None:
    """The integer form of a node; None where there is none. program: the ExportedProgram that it belongs to."""
    name = operator_name(node)
    if not name or "quantize_per" in name:
        return None
    grids = {one: _grid(one, program) for one in node.all_input_nodes if _is_float(one)}
    if not grids or any(grid is None for grid in grids.values()):
        return None
    form = _BY_NAME.get(name, Form.COPY if name.partition(".")[0] in _COPIES else Form.TABLE)
    if form not in _OF_ANY_SIZE and not _is_fixed(node, *grids):
        return None
    last = _last(node, form)
    result = None if form is Form.POSITION else _result(last)
    if result is None and form is not Form.POSITION:
        return None
    if last is not node and form is not Form.MAX_POOL:
        result = _narrowed(result, last)
    site = Site(node, form, grids, result, last)
    if form in _OF_TWO and _is_table(site, program):
        return site._replace(form=Form.TABLE)
    return site if _CONDITIONS[form](site, program) else None


def variables(site: Site, program: Any) -> set[Any]:
    """The integer tensors that an operator reads and that are no constants of one element."""
    return {one.args[0] for one in site.grids if not (_is_constant(one.args[0], program) and _count(one) == 1)}


def _is_float(node: Any) -> bool:
    value = node.meta.get("val")
    values = value if isinstance(value, (tuple, list)) else [value]
    return any(hasattr(one, "dtype") and one.dtype.is_floating_point for one in values)


def _is_fixed(*nodes: Any) -> bool:
    """Whether no size is dynamic: the backend plans its buffers for one shape."""
    values = [node.meta.get("val") for node in nodes]
    tensors = [one for value in values for one in (value if isinstance(value, (tuple, list)) else [value])]
    return all(type(size) is int for one in tensors if hasattr(one, "shape") for size in one.shape)


def _count(node: Any) -> int:
    return math.prod(node.meta["val"].shape)


def _grid(node: Any, program: Any) -> Any:
    """What a dequantize node says; None for any other node."""
    from executorch.backends.arm._passes.quant_args import QuantArgs
    from executorch.backends.transforms.utils import get_param_tensor

    if ".dequantize_per_" not in str(node.target):
        return None
    arguments = list(node.args)
    for at in (1, 2):
        if hasattr(arguments[at], "op"):
            arguments[at] = get_param_tensor(program, arguments[at])
    return QuantArgs.from_operator(node.target, arguments)


def _last(node: Any, form: Form) -> Any:
    users = list(node.users)
    if form is Form.MAX_POOL:
        return next((one for one in users if one.args[1:] == (0,)), node)
    fusing = form in (Form.CONVOLUTION, Form.LINEAR) and len(users) == 1 and operator_name(users[0]) in _ACTIVATIONS
    return users[0] if fusing and len(users[0].all_input_nodes) == 1 else node


def _result(last: Any) -> Any:
    """The quantisation parameters of the quantize nodes that are all that reads a node; None where they differ."""
    from executorch.backends.arm._passes.quant_args import QuantArgs

    found = [
        QuantArgs.from_operator(user.target, user.args)
        for user in last.users
        if ".quantize_per_tensor" in str(user.target)
    ]
    return found[0] if found and len(found) == len(last.users) and all(one == found[0] for one in found) else None


def _narrowed(result: Any, activation: Any) -> Any:
    """The quantisation parameters of a result that an activation limits."""
    defaults: dict[str, tuple[Any, Any]] = {
        "relu.default": (0.0, None),
        "hardtanh.default": (-1.0, 1.0),
        "clamp.default": (None, None),
    }
    given = activation.args[1:3]
    low, high = given + defaults[operator_name(activation)][len(given) :]
    if low is not None:
        result = result._replace(qmin=int(result.quantize_value(float(low)).item()))
    if high is not None:
        result = result._replace(qmax=int(result.quantize_value(float(high)).item()))
    return result


def _is_int8(*grids: Any) -> bool:
    return all(str(grid.dtype) == "torch.int8" and not grid.per_channel for grid in grids)


def _all_int8(site: Site) -> bool:
    return _is_int8(site.result, *site.grids.values())


def _is_constant(node: Any, program: Any) -> bool:
    from executorch.backends.transforms.utils import is_param_node

    return bool(is_param_node(program, node))


def _is_table(site: Site, program: Any) -> bool:
    """Whether each element of the result depends on one element of one int8 tensor."""
    import torch

    tags = getattr(getattr(site.node.target, "_op", None), "tags", ())
    tagged = torch.Tag.pointwise in tags and torch.Tag.nondeterministic_seeded not in tags
    pointwise = tagged or operator_name(site.node) in _UNTAGGED
    if not pointwise or not _all_int8(site) or len(site.node.all_input_nodes) != len(site.grids):
        return False
    found = [one for one in site.grids if one.args[0] in variables(site, program)]
    same = {(one.args[0], site.grids[one]) for one in found}
    return len(same) == 1 and found[0].meta["val"].shape == site.last.meta["val"].shape


def _is_copy(site: Site, _: Any) -> bool:
    return all(grid == site.result for grid in site.grids.values()) or _all_int8(site)


def _is_pad(site: Site, _: Any) -> bool:
    pads, *given = site.node.args[1:]
    if given and isinstance(given[0], str) and given[0] != "constant":
        return False
    return _all_int8(site) and len(site.node.meta["val"].shape) <= 4 and min(pads, default=0) >= 0


def _is_simple(site: Site, _: Any) -> bool:
    return _all_int8(site)


def _is_position(site: Site, _: Any) -> bool:
    return all(not grid.per_channel for grid in site.grids.values())


def _is_mean_pool(site: Site, _: Any) -> bool:
    grid, divisor = site.grid(0), [*site.node.args, None][6:7]
    same = (grid.scale, grid.zp) == (site.result.scale, site.result.zp)
    return _all_int8(site) and same and len(site.node.meta["val"].shape) == 4 and divisor in ([], [None])


def _is_sum_of_two(site: Site, _: Any) -> bool:
    alpha = site.node.kwargs.get("alpha", 1)
    if not _all_int8(site) or not isinstance(alpha, int) or not alpha:
        return False
    widest = max(site.grid(0).scale, abs(alpha) * site.grid(1).scale)
    return math.frexp(2 * widest / (site.result.scale * 2**20))[1] <= 0


def _is_product(site: Site, _: Any) -> bool:
    return _all_int8(site) and _fits(1, site.grid(0).scale * site.grid(1).scale / site.result.scale)


def _is_quotient(site: Site, _: Any) -> bool:
    return _all_int8(site) and not site.node.kwargs


def _fits(products: int, scale: float) -> bool:
    """Whether a sum of products of int8 can be scaled in 32 bits."""
    return bool(products * 255 * 255 * 2 ** max(math.frexp(scale)[1], 0) < 2**31)


def _has_weights(site: Site, program: Any, axis: int) -> bool:
    """Whether weights and bias, arguments 1 and 2, are constants as the backend's kernels want them.

    axis: of the output channels in the weights.
    """
    x, weight, bias = (*site.node.args, None)[:3]
    if x not in site.grids or weight not in site.grids or not _is_int8(site.grids[x], site.result):
        return False
    grid, scales = site.grids[weight], site.grids[weight].scale
    points = grid.zp if grid.per_channel else [grid.zp]
    if str(grid.dtype) != "torch.int8" or any(points) or (grid.per_channel and grid.axis != axis):
        return False
    if bias is not None and str(site.grids[bias].dtype) != "torch.int32":
        return False
    constants = [one.args[0] for one in (weight, bias) if one is not None]
    largest = max(scales) if grid.per_channel else scales
    products = _count(weight) // weight.meta["val"].shape[axis]
    scale = site.grids[x].scale * largest / site.result.scale
    return all(_is_constant(one, program) for one in constants) and _fits(products, scale)


def _is_convolution(site: Site, program: Any) -> bool:
    dilation, transposed, extra, groups = site.node.args[5:9]
    rank = len(site.node.meta["val"].shape)
    if transposed:
        plain = groups == 1 and not any(extra) and all(one == 1 for one in dilation)
        return rank == 4 and plain and _has_weights(site, program, 1)
    return rank in (3, 4) and _has_weights(site, program, 0)


def _is_linear(site: Site, program: Any) -> bool:
    return _has_weights(site, program, 0)


def _is_matrix(site: Site, _: Any) -> bool:
    inner = site.node.args[0].meta["val"].shape[-1]
    return _all_int8(site) and _fits(inner, site.grid(0).scale * site.grid(1).scale / site.result.scale)


def _is_total(site: Site, _: Any) -> bool:
    read, left = _count(site.node.args[0]), _count(site.node)
    small = bool(left) and _fits(read // left, site.grid(0).scale / site.result.scale)
    return _all_int8(site) and not site.node.kwargs and len(site.node.args[0].meta["val"].shape) <= 4 and small


_CONDITIONS = {
    Form.COPY: _is_copy,
    Form.PAD: _is_pad,
    Form.ORDER: _is_simple,
    Form.MAX_POOL: _is_simple,
    Form.MEAN_POOL: _is_mean_pool,
    Form.POSITION: _is_position,
    Form.TABLE: _is_table,
    Form.SUM_OF_TWO: _is_sum_of_two,
    Form.PRODUCT: _is_product,
    Form.QUOTIENT: _is_quotient,
    Form.CHOICE: _is_simple,
    Form.CONVOLUTION: _is_convolution,
    Form.LINEAR: _is_linear,
    Form.MATRIX: _is_matrix,
    Form.TOTAL: _is_total,
}
