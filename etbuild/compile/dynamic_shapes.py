"""The recipe's dynamic axes as torch.export takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def remedy_of_size_one(inputs: Sequence[Any], dims: Sequence[DynamicDim]) -> Iterator[None]:
    """Adds to a StepError raised inside what to write, where an example input has size 1 on a dynamic axis."""
    try:
        yield
    except StepError as error:
        fixed = [dim for dim in dims if inputs[dim.input].shape[dim.axis] == 1]
        raise StepError("\n".join([str(error), *(_remedy(dim, inputs[dim.input].shape) for dim in fixed)])) from error


def _remedy(dim: DynamicDim, shape: Sequence[int]) -> str:
    larger = [max(2, dim.range[0]) if axis == dim.axis else size for axis, size in enumerate(shape)]
    return (
        f"    {dim.name}: the example input has size 1 there, which torch.export takes as fixed\n"
        f"    give input {dim.input} another size in model.inputs, e.g. shape: {larger}"
    )
