"""The recipe's dynamic axes as torch.export takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.model_sections import DynamicDim


def dynamic_shapes(inputs: Sequence[Any], dims: Sequence[DynamicDim]) -> tuple[dict[int, Any], ...] | None:
    """The argument dynamic_shapes of torch.export.export; None when every axis is static.

    inputs: the model's example inputs.
    raises: StepError for an axis that they do not have.
    """
    if not dims:
        return None
    import torch

    shapes: list[dict[int, Any]] = [{} for _ in inputs]
    names = {dim.name: torch.export.Dim(dim.name, min=dim.range[0], max=dim.range[1]) for dim in dims}
    for dim in dims:
        if dim.input >= len(inputs) or dim.axis >= inputs[dim.input].dim():
            raise StepError(
                f"export.dynamic_shapes: got axis {dim.axis} of input {dim.input}, wanted one of the model's: "
                + ", ".join(f"input {index} {list(value.shape)}" for index, value in enumerate(inputs))
            )
        shapes[dim.input][dim.axis] = names[dim.name]
    return tuple(shapes)
