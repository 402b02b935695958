"""A recipe's model as an exported program. It quantises and lowers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.model_sections import DynamicDim, Export, Model


def export(model: Model, settings: Export) -> Any:
    """The torch.export.ExportedProgram of a recipe's model.

    raises: StepError with the user's own lines for whatever the user's code raises.
    """
    import torch

    from etbuild.compile.model import load_model, users_code

    name = str(model.source or model.entry or model.program or model.builtin)
    module, inputs = load_model(model)
    is_program = isinstance(module, torch.export.ExportedProgram)
    module = module.module(check_guards=False) if is_program else module.eval()
    module.requires_grad_(False)
    with users_code(f"{name}: forward, called with its example inputs"), torch.no_grad():
        module(*inputs)
    shapes = dynamic_shapes(inputs, settings.dynamic_shapes)
    with users_code(f"{name}: torch.export"):
        return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=settings.strict)


def dynamic_shapes(inputs: Sequence[Any], dims: Sequence[DynamicDim]) -> tuple[dict[int, Any], ...] | None:
    """The argument dynamic_shapes of torch.export; None when every axis is fixed.

    raises: StepError for an axis that the model's inputs do not have.
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
