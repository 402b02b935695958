"""The recipe's dynamic axes as torch.export takes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.compile.inputs import Inputs
    from etbuild.recipe.model_sections import DynamicDim


def dynamic_shapes(module: Any, inputs: Inputs, dims: Sequence[DynamicDim]) -> dict[str, Any] | tuple[Any, ...] | None:
    """The argument dynamic_shapes of torch.export.export for the module; None when every axis is static.

    inputs: the model's example inputs; an axis names one by its number among the leaves.
    raises: StepError for an axis that they do not have.
    """
    if not dims:
        return None
    import torch

    leaves = inputs.leaves
    shapes: list[dict[int, Any] | None] = [{} if isinstance(leaf, torch.Tensor) else None for leaf in leaves]
    names = {dim.name: torch.export.Dim(dim.name, min=dim.range[0], max=dim.range[1]) for dim in dims}
    for dim in dims:
        shape = shapes[dim.input] if dim.input < len(leaves) else None
        if shape is None or dim.axis >= leaves[dim.input].dim():
            raise StepError(
                f"export.dynamic_shapes: got axis {dim.axis} of input {dim.input}, wanted one of the model's: "
                + ", ".join(
                    f"input {index} {list(leaf.shape)}"
                    for index, leaf in enumerate(leaves)
                    if isinstance(leaf, torch.Tensor)
                )
            )
        shape[dim.axis] = names[dim.name]
    structured = inputs.with_leaves(shapes)
    if not inputs.keywords:
        return structured.arguments
    # By parameter, as torch.export combines both kinds of arguments.
    bound = inspect.signature(module.forward).bind(*structured.arguments, **structured.keywords)
    return dict(bound.arguments)


@contextmanager
def remedy_of_size_one(inputs: Inputs, dims: Sequence[DynamicDim]) -> Iterator[None]:
    """Adds to a StepError raised inside what to write, where an example input has size 1 on a dynamic axis."""
    leaves = inputs.leaves
    try:
        yield
    except StepError as error:
        fixed = [dim for dim in dims if leaves[dim.input].shape[dim.axis] == 1]
        raise StepError("\n".join([str(error), *(_remedy(dim, leaves[dim.input].shape) for dim in fixed)])) from error


def _remedy(dim: DynamicDim, shape: Sequence[int]) -> str:
    larger = [max(2, dim.range[0]) if axis == dim.axis else size for axis, size in enumerate(shape)]
    return (
        f"    {dim.name}: the example input has size 1 there, which torch.export takes as fixed\n"
        f"    give input {dim.input} another size in model.inputs, e.g. shape: {larger}"
    )
