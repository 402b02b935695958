"""The example inputs that a recipe gives in place of the model's own: random values, or from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.inputs import Inputs, described, inputs_of
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.recipe.model_sections import InputSpec


def given_inputs(specs: Sequence[InputSpec], own: Inputs) -> Inputs:
    """The model's inputs with the recipe's tensors.

    specs:  one for each tensor of a structure, in order; or for a model with tensors as arguments alone, all arguments;
            or a single file with all inputs in their structure.
    raises: StepError.
    """
    values = [_made(spec, index) for index, spec in enumerate(specs)]
    if len(values) == 1 and isinstance(values[0], tuple | list | dict):
        try:
            return inputs_of(values[0])
        except StepError as error:
            raise StepError(f"{specs[0].file}: {error}") from None
    for spec, value in zip(specs, values, strict=True):
        if isinstance(value, tuple | list | dict):
            raise StepError(f"{spec.file}: got {type(value).__name__}, wanted one tensor")
    tensors = own.tensors
    if not own.keywords and list(tensors) == [str(index) for index in range(len(own.arguments))]:
        return Inputs(tuple(values))
    if len(values) != len(tensors):
        raise StepError(
            f"model.inputs: got {len(values)}, wanted {len(tensors)}, one for each tensor of the model's inputs: "
            + ", ".join(tensors)
        )
    given = dict(zip(tensors, values, strict=True))
    return own.with_leaves([given.get(name, leaf) for name, leaf in own.named])


def _made(spec: InputSpec, index: int) -> Any:
    """One example input: read from a file, or uniformly random by its seed. A .pt may have all inputs, in a container.

    index:  of the input, for messages.
    raises: StepError.
    """
    import torch

    if spec.file:
        return _input_from_file(spec.file)
    dtype = getattr(torch, spec.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise StepError(f"model.inputs[{index}].dtype: got {spec.dtype}, wanted a torch dtype, e.g. float32 or int8")
    generator = torch.Generator().manual_seed(spec.seed)
    if dtype == torch.bool:
        return torch.randint(0, 2, spec.shape, generator=generator).to(dtype)
    low, high = spec.range or (-1.0, 1.0)
    if not dtype.is_floating_point:
        return torch.randint(int(low), int(high) + 1, spec.shape, generator=generator).to(dtype)
    return (torch.rand(spec.shape, generator=generator) * (high - low) + low).to(dtype)


def _input_from_file(path: Path) -> Any:
    import numpy as np
    import torch

    try:
        if path.suffix == ".npy":
            value = torch.from_numpy(np.load(path, allow_pickle=False))
        else:
            value = torch.load(path, weights_only=True)
    except Exception as error:
        raise StepError(f"{path}: got {described(error)}, wanted one tensor in a .npy or .pt file") from error
    if isinstance(value, tuple | list | dict):
        return value
    if not isinstance(value, torch.Tensor):
        raise StepError(f"{path}: got {type(value).__name__}, wanted one tensor")
    return value.float() if value.dtype == torch.float64 else value
